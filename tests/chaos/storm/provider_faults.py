"""What the simulated providers do wrong during a run, and how often."""

from typing import Any

LAG_S = 1.0  # below LIST_SETTLE_S of a run

BY_RATE: tuple[dict[str, Any], ...] = (
    # Rows
    {"fault": "expired", "rate": 0.01, "provider": "anthropic"},
    {"fault": "expired", "rate": 0.01, "provider": "openai"},
    {"fault": "expired", "rate": 0.003, "provider": "google"},  # with a row its whole batch
    {"fault": "errored", "rate": 0.01, "error_type": "overloaded_error", "provider": "anthropic"},
    {"fault": "errored", "rate": 0.01, "error_type": "server_error", "provider": "openai"},
    {"fault": "errored", "rate": 0.01, "provider": "google"},
    {"fault": "errored", "rate": 0.003, "error_type": "invalid_request_error", "provider": "anthropic"},
    {"fault": "missing", "rate": 0.01},
    {"fault": "status_zero", "rate": 0.01, "provider": "openai"},
    {"fault": "doubled", "rate": 0.01, "provider": "google"},
    {"fault": "unknown_key", "rate": 0.01, "provider": "google"},
    # Rows and calls
    {"fault": "refused", "rate": 0.01},
    {"fault": "blocked", "rate": 0.01, "provider": "google"},
    {"fault": "cut", "rate": 0.01},
    {"fault": "cut", "rate": 0.01, "variant": "no_text", "provider": "google"},
    *({"fault": "invalid", "rate": 0.005, "variant": variant} for variant in ("winner_unknown", "confidence_nine", "not_json")),
    {"fault": "invalid", "rate": 0.005, "variant": "keys_reversed"},
    {"fault": "other_model", "rate": 0.01, "provider": "google"},
    {"fault": "malformed_json_schema", "rate": 0.02, "provider": "google"},
    {"fault": "error_in_200", "rate": 0.01, "status": 502, "provider": "openrouter"},
    {"fault": "error_in_200", "rate": 0.01, "status": 502, "variant": "finish", "provider": "openrouter"},
    # Requests
    {"fault": "status", "rate": 0.02, "status": 500},
    {"fault": "status", "rate": 0.01, "status": 503},
    {"fault": "status", "rate": 0.01, "status": 429, "retry_after_s": 1},
    {"fault": "status", "rate": 0.01, "status": 529, "provider": "anthropic"},
    {"fault": "status_after", "rate": 0.03, "status": 500},
    {"fault": "slow", "rate": 0.03, "stall_s": LAG_S},
    {"fault": "hang", "rate": 0.02},
    # Batches
    {"fault": "list_lag", "rate": 0.1, "stall_s": LAG_S},
    {"fault": "odd_list", "rate": 0.1, "provider": "google"},
    {"fault": "odd_operation", "rate": 0.02, "variant": "job_state", "provider": "google"},
    {"fault": "odd_operation", "rate": 0.02, "variant": "response_only", "provider": "google"},
    {"fault": "cancelled_runs_on", "rate": 0.2, "provider": "google"},
    {"fault": "failed_validation", "rate": 0.02, "code": "token_limit_exceeded", "provider": "openai"},
    {"fault": "failed_validation", "rate": 0.01, "provider": "google"},
    {"fault": "failed_validation", "rate": 0.01, "variant": "at_end", "provider": "google"},
    {"fault": "unknown_file", "rate": 0.03, "provider": "openai"},
    {"fault": "unknown_file", "rate": 0.03, "provider": "google"},
    {"fault": "file_gone", "rate": 0.01, "provider": "openai"},
    {"fault": "file_late", "rate": 0.03},
    {"fault": "not_found", "rate": 0.01},
    {"fault": "elsewhere", "rate": 0.01, "provider": "anthropic"},
    {"fault": "sees_nothing", "rate": 0.005, "endpoint": "batches.retrieve"},
    {"fault": "sees_nothing", "rate": 0.005, "endpoint": "batches.results"},
    *({"fault": "short_download", "rate": 0.01, "variant": variant} for variant in ("half", "empty", "mid_line", "error_body")),
    *({"fault": "odd_counts", "rate": 0.01, "variant": variant} for variant in ("high", "low", "absent")),
)
"""Left out: `sees_nothing` of `batches.list`. A list that does not show a batch, whole and without an error, twice and longer
than LIST_SETTLE_S apart, is what makes a batch "certainly absent": a provider whose lists lie so is outside of the promise."""
