"""What is stored and sent keeps its bytes, whatever its values are called in memory: these were written by earlier workers."""

from msgspec.structs import replace

from domain.answer import Answer
from domain.auditing import Delivered, Facts, ShadowReply, Watched
from domain.comparison import Member
from domain.job import Form, Shadow
from domain.outcome import Ending, Outcome
from domain.partition.corrections import Correction
from domain.partition.payments import Paid
from domain.reply import Cause, ErrorCode, Fault, Retry, Usage
from domain.rounds import ALONE, SUSPECTS_OF_B, Arrival, RoundEntry, Standing
from streams.wire import work
from tables import audits, outcomes, rounds
from tests.model.values import plan

ROUND = (
    b'\x01{"round_key":"cj:138:1","offset":41,"append_ms":1795000000123,"arrivals":[{"position":0,"correlatio'
    b'n_id":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff","content_sha256":"abababababababab","standing":"accepte'
    b'd","provider":"openai","model":"gpt-6-luna","strategy":"serial_bundle","profile":"0123456789abcdef",'
    b'"prompt_bytes":5321,"deadline_ms":1795014400123,"bundle_hint":12,"batch":"bos-7","max_tokens":400,"e'
    b'ssays":[-11,2305843009213693952],"fault":null},{"position":1,"correlation_id":"id-1","content_sha256'
    b'":"c1","standing":"rejected","provider":"mock","model":"unknown","strategy":"per_round","profile":""'
    b',"prompt_bytes":0,"deadline_ms":1795014400123,"bundle_hint":0,"batch":"","max_tokens":0,"essays":nul'
    b'l,"fault":{"code":"VALIDATION_ERROR","message":"no \\"user_prompt\\"","details":{}}},{"position":2,"co'
    b'rrelation_id":"id-2","content_sha256":"c2","standing":"duplicate","provider":"anthropic","model":"m"'
    b',"strategy":"nightly","profile":"p","prompt_bytes":7,"deadline_ms":8,"bundle_hint":0,"batch":"","max'
    b'_tokens":0,"essays":null,"fault":null},{"position":3,"correlation_id":"id-3","content_sha256":"c3","'
    b'standing":"conflict","provider":"","model":"","strategy":"","profile":"","prompt_bytes":0,"deadline_'
    b'ms":0,"bundle_hint":0,"batch":"","max_tokens":0,"essays":null,"fault":null}],"announced":12,"part":2'
    b',"parts":3,"piece":1}'
)
ENDINGS = (
    b'\x02{"offset":9,"endings":[{"member":{"offset":41,"position":0},"code":"answered","job_id":"j1","retry"'
    b':null},{"member":{"offset":41,"position":1},"code":"","job_id":"j1","retry":{"cause":"expired","code'
    b'":"TIMEOUT","message":"expired","details":{}}}],"paid":[{"batch":"bos-7","at_ms":1795000900000,"usd"'
    b':0.25},{"batch":"","at_ms":1,"usd":0.5}]}'
)
OUTCOMES = (
    b'{"v":2,"kind":"outcomes","job_id":"j1","outcomes":[{"member":{"offset":41,"position":0},"provider":"'
    b'openai","model":"m","completed_ms":7,"mode":"batch_api","answer":{"winner":"Essay A","justification"'
    b':"clearer","confidence":4.0},"fault":null,"retry":null,"response_time_ms":5,"cost_usd":0.01,"usage":'
    b'{"prompt_tokens":1,"completion_tokens":2,"cache_read_tokens":3,"cache_creation_tokens":4,"raw":null}'
    b',"batch":"bos-7"},{"member":{"offset":41,"position":1},"provider":"openai","model":"m","completed_ms'
    b'":7,"mode":"batch_api","answer":null,"fault":{"code":"TIMEOUT","message":"late","details":{}},"retry'
    b'":null,"response_time_ms":0,"cost_usd":0.0,"usage":{"prompt_tokens":0,"completion_tokens":0,"cache_r'
    b'ead_tokens":0,"cache_creation_tokens":0,"raw":null},"batch":""}]}'
)
CLAIMED = b'{"v":2,"kind":"submit_claimed","job_id":"j1","worker_run":"run","start_within_s":30.0,"key_hash":"k"}'
SHADOWS = (
    b',"shadows":[{"member":{"offset":41,"position":0},"form":"again","number":1},{"member":{"offset":41,"position":0},'
    b'"form":"swapped","number":1,"layout":"shared_essays"}]'
)
AUDITED = (
    b'{"v":4,"kind":"audited","job_id":"j1","completed_ms":7,"replies":[{"member":{"offset":41,"position":0},"form":"again",'
    b'"number":1,"winner":"Essay A","confidence":4.0,"model_said":"m-2026","cause":"","usd":0.25},{"member":{"offset":41,'
    b'"position":0},"form":"swapped","number":1,"winner":null,"confidence":0.0,"model_said":"","cause":"expired","usd":0.0}]}'
)
TOLD_OF_AUDITS = (
    b'\x01[7,9,[[{"offset":41,"position":0},"openai","m","batch_api",4,3,"shared_essays",3]],[[{"offset":41,"position":0},true'
    b',4.0],[{"offset":41,"position":1},null,0.0]],[{"member":{"offset":41,"position":0},"form":"again","number":1,"winner":'
    b'"Essay A","confidence":4.0,"model_said":"m-2026","cause":"","usd":0.25}]]'
)
CANCEL = b'{"v":2,"kind":"cancel_requested","batch":"138","ids":["a"]}'
LIMITED = b'{"v":4,"kind":"bundles_limited","provider":"openai","model":"m","most":8,"reason":"shift","since_ms":7}'
ACKNOWLEDGED = b'{"v":4,"kind":"judgement_acknowledged","provider":"openai","model":"m","reason":"","since_ms":0}'
CORRECTED = b'\x01{"provider":"openai","model":"m","since_ms":7,"most":8,"reason":"shift","put_ms":9}'


def test_a_round_entry() -> None:
    entry = RoundEntry(
        "cj:138:1",
        41,
        1_795_000_000_123,
        (
            Arrival(
                position=0,
                correlation_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
                content_sha256="ab" * 8,
                standing=Standing.ACCEPTED,
                provider="openai",
                model="gpt-6-luna",
                strategy="serial_bundle",
                profile="0123456789abcdef",
                prompt_bytes=5_321,
                deadline_ms=1_795_014_400_123,
                bundle_hint=12,
                paying_batch="bos-7",
                max_tokens=400,
                essays=(-11, 2**61),
            ),
            Arrival(
                position=1,
                correlation_id="id-1",
                content_sha256="c1",
                standing=Standing.REJECTED,
                provider="mock",
                model="unknown",
                strategy="per_round",
                deadline_ms=1_795_014_400_123,
                fault=Fault(ErrorCode.VALIDATION_ERROR, 'no "user_prompt"'),
            ),
            Arrival(2, "id-2", "c2", Standing.DUPLICATE, "anthropic", "m", "nightly", "p", 7, 8),
            Arrival(3, "id-3", "c3", Standing.CONFLICT),
        ),
        announced=12,
        part=2,
        parts=3,
        piece=1,
    )
    assert rounds.CODEC.decode(ROUND) == entry
    assert rounds.CODEC.encode(entry) == ROUND


def test_what_a_record_tells_of_audits_has_suspects_only_where_there_are_any() -> None:
    told = audits.CODEC.decode(TOLD_OF_AUDITS)
    reply = ShadowReply(Member(41, 0), Form.AGAIN, 1, "Essay A", 4.0, "m-2026", usd=0.25)
    plain = Watched(Member(41, 0), "openai", "m", "batch_api", 4, 3, "shared_essays", 3)
    assert told == Facts(7, 9, (plain,), (Delivered(Member(41, 0), True, 4.0), Delivered(Member(41, 1), None)), (reply,))
    assert audits.CODEC.encode(told) == TOLD_OF_AUDITS
    suspect = replace(plain, suspect=True)
    newer = TOLD_OF_AUDITS.replace(b"3]],", b"3,true]],").replace(b"\x01", b"\x02", 1)
    assert audits.CODEC.encode(replace(told, watched=(suspect,))) == newer
    for watched in ((suspect,), (plain, suspect), (suspect, plain, plain), (plain, plain), ()):
        some = replace(told, watched=watched)
        raw = audits.CODEC.encode(some)
        assert raw[0] == (2 if suspect in watched else 1)
        assert audits.CODEC.decode(raw) == some


def test_an_entry_without_the_fields_that_came_later() -> None:
    raw = b'\x01{"round_key":"r","offset":1,"append_ms":2,"arrivals":[{"position":0,"correlation_id":"i","content_sha256":"c",'
    raw += b'"standing":"accepted","provider":"openai"}]}'
    assert rounds.CODEC.decode(raw) == RoundEntry("r", 1, 2, (Arrival(0, "i", "c", Standing.ACCEPTED, "openai"),))


def test_what_is_kept_of_two_essays_stands_behind_all_else() -> None:
    seen = Arrival(
        0, "i", "c", Standing.ACCEPTED, "openai", bundle_hint=ALONE, pair=(7, 2**32 - 1), suspects=1 << SUSPECTS_OF_B
    )
    entry = RoundEntry("r", 1, 2, (seen,))
    raw = rounds.CODEC.encode(entry)
    assert b'"bundle_hint":1,' in raw
    assert b'"fault":null,"pair":[7,4294967295],"suspects":256}]' in raw
    assert rounds.CODEC.decode(raw) == entry


def test_who_won_stands_behind_all_else() -> None:
    told = outcomes.Endings(9, (Ending(Member(41, 0), "answered", a_won=False),))
    raw = outcomes.CODEC.encode(told)
    assert raw.endswith(b'"code":"answered","job_id":"","retry":null,"a_won":false}],"paid":[]}')
    assert outcomes.CODEC.decode(raw) == told


def test_the_endings_of_a_record_and_what_was_paid() -> None:
    expired = Retry(Cause.EXPIRED, ErrorCode.TIMEOUT, "expired")
    endings = outcomes.Endings(
        9,
        (Ending(Member(41, 0), "answered", "j1"), Ending(Member(41, 1), "", "j1", expired)),
        (Paid("bos-7", 1_795_000_900_000, 0.25), Paid("", 1, 0.5)),
    )
    assert outcomes.CODEC.decode(ENDINGS) == endings
    assert outcomes.CODEC.encode(endings) == ENDINGS


def test_outcomes_of_a_job() -> None:
    answered = Outcome(
        Member(41, 0),
        "openai",
        "m",
        7,
        "batch_api",
        answer=Answer("Essay A", "clearer", 4.0),
        response_time_ms=5,
        cost_usd=0.01,
        usage=Usage(1, 2, 3, 4),
        paying_batch="bos-7",
    )
    late = Outcome(Member(41, 1), "openai", "m", 7, "batch_api", fault=Fault(ErrorCode.TIMEOUT, "late"))
    record = work.Outcomes(job_id="j1", outcomes=(answered, late))
    assert work.decode(OUTCOMES) == record
    assert work.encode(record) == OUTCOMES


def test_a_request_to_cancel() -> None:
    record = work.CancelRequested(batch="138", ids=("a",))
    assert work.decode(CANCEL) == record
    assert work.encode(record) == CANCEL


def test_what_is_done_about_a_bent_judge() -> None:
    limited = work.BundlesLimited(provider="openai", model="m", most=8, reason="shift", since_ms=7)
    acknowledged = work.JudgementAcknowledged(provider="openai", model="m")
    correction = Correction("openai", "m", 7, 8, "shift", 9)
    assert work.decode(LIMITED) == limited
    assert work.encode(limited) == LIMITED
    assert work.decode(ACKNOWLEDGED) == acknowledged
    assert work.encode(acknowledged) == ACKNOWLEDGED
    assert outcomes.CORRECTED.decode(CORRECTED) == correction
    assert outcomes.CORRECTED.encode(correction) == CORRECTED


def test_what_is_new_is_written_as_such_and_all_else_as_older_workers_read_it() -> None:
    a = Member(41, 0)
    shadows = (Shadow(a, Form.AGAIN, 1), Shadow(a, Form.SWAPPED, 1, "shared_essays"))
    planned = work.JobPlanned(plan=plan((a,)))
    audited = work.JobPlanned(plan=plan((a,), shadow_lines=shadows))
    claimed = work.SubmitClaimed(job_id="j1", worker_run="run", start_within_s=30.0, key_hash="k")
    assert work.encode(claimed) == CLAIMED
    assert work.encode(planned).startswith(b'{"v":2,')
    assert b"shadows" not in work.encode(planned)
    assert work.encode(audited) == b'{"v":4,' + work.encode(planned)[7:-2] + SHADOWS + b"}}"
    for record, version in (
        (audited, 4),
        (replace(claimed, shadows=False), 4),
        (work.Several(records=(planned, claimed)), 3),
        (work.Several(records=(planned, audited)), 4),
    ):
        assert work.encode(record).startswith(b'{"v":%d,' % version)
        assert work.decode(work.encode(record)) == record


def test_what_came_back_for_shadows() -> None:
    a = Member(41, 0)
    replies = (
        ShadowReply(a, Form.AGAIN, 1, "Essay A", 4.0, "m-2026", usd=0.25),
        ShadowReply(a, Form.SWAPPED, 1, cause="expired"),
    )
    record = work.Audited(job_id="j1", completed_ms=7, replies=replies)
    assert work.decode(AUDITED) == record
    assert work.encode(record) == AUDITED
