"""What goes wrong on the way to a broker."""


class BrokerUnavailable(RuntimeError):
    """No broker could be had this way; the message says what was missing and what to do."""
