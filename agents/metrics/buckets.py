"""The upper bounds of the histograms' buckets."""

_MINUTE, _HOUR = 60.0, 3600.0

#: Small batches take 90 s to 13 min, most end within an hour, all expire at 24 h, Google's at 48 h.
JOB_SECONDS = (
    *(5.0, 15.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR, 16 * _HOUR, 24 * _HOUR),
)
WAIT_SECONDS = (
    *(0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, _MINUTE, 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR),
)
#: CJ gives up after 4 h; a nightly request may take the longest wait of 30 h.
RESULT_SECONDS = (
    *(1.0, 2.0, 5.0, 15.0, 30.0, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 4 * _HOUR, 8 * _HOUR, 16 * _HOUR, 24 * _HOUR, 30 * _HOUR),
)
#: A comparison takes 1.6 to 4 s, a bundle of 64 a minute; the time limit of a call ends whatever takes longer.
CALL_SECONDS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 40.0, 90.0, 180.0)
JOB_ITEMS = (1.0, 4.0, 12.0, 24.0, 48.0, 96.0, 192.0, 288.0, 1_000.0, 3_000.0, 10_000.0)
BUNDLE_ITEMS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
