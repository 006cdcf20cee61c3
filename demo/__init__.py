"""The demo: plays the CJ service over Kafka and draws the recovered ranking beside the hidden one."""
