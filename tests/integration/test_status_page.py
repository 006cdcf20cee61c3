"""The worker's page in a real browser, over a state that shows everything, odd names included."""

import asyncio
import html
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from agents.status.endpoints import PAGE, Endpoints
from streams.wire.status.encode import encode
from tests.harness.status_example import Teller, ranked, told

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A browser's window is 500 px wide at least: a frame can be as narrow as a phone, and its sizes can be asked from around it.
# What is wider than the page, or than the box around it, is cut off or has to be scrolled to. The heads of tables stand
# there for screen readers alone, in a box of 1 px.
AROUND = """<!doctype html><iframe src="/" style="width: 390px; height: 6000px; border: 0"></iframe>
<pre id="measured"></pre><script>
const asked = setInterval(() => {
  const inner = document.querySelector("iframe").contentDocument, root = inner.documentElement;
  if (!inner.querySelector("#jobs td, #jobs .empty") || !inner.querySelector("#rankings td, #rankings .empty")) return;
  clearInterval(asked);
  const seen = [...inner.querySelectorAll("main *")].filter(one => !one.closest("thead"));
  const style = one => inner.defaultView.getComputedStyle(one);
  const wide = seen.filter(one => one.getBoundingClientRect().right > root.clientWidth ||
    style(one).display !== "inline" && one.scrollWidth > one.clientWidth);
  document.getElementById("measured").textContent = JSON.stringify({
    width: root.clientWidth, needed: root.scrollWidth, seen: seen.length, wide: wide.map(one => one.outerHTML.slice(0, 200))});
}, 20);
</script>"""


BROWSER_STARTS = 3


@pytest.fixture
async def page() -> AsyncIterator[str]:
    """The address of the page."""
    task = asyncio.current_task()
    health = Endpoints("127.0.0.1", 0, CollectorRegistry(), Teller(told(task)))
    yield f"http://127.0.0.1:{await health.start()}/"
    await health.stop()


async def look(page: str, folder: Path, *options: str) -> str:
    """What the browser has made of the page after two seconds of its own clock.

    A browser that ends without having shown any page (seen once in some twenty runs, on a busy machine) is started anew.
    """
    said = []
    for profile in range(BROWSER_STARTS):
        dom, words = await _shown(page, folder / f"profile-{profile}", *options)
        if dom:
            return dom
        said.append(words)
    raise AssertionError(f"{BROWSER} has shown nothing in {BROWSER_STARTS} starts:\n" + "\n".join(said))


async def _shown(page: str, profile: Path, *options: str) -> tuple[str, str]:
    """The page as the browser has it at its end, "" where it shows none; and how it ended."""
    # Without a sandbox, for tests run as root in containers; nothing but our own page is opened.
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    started = await asyncio.create_subprocess_exec(
        *(*command, f"--user-data-dir={profile}", "--virtual-time-budget=2000", *options, page),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        dom, words = await asyncio.wait_for(started.communicate(), 60)
    finally:
        if started.returncode is None:
            started.kill()
    return dom.decode(), f"exit code {started.returncode}: {words.decode(errors='replace')[-1_000:]}"


@pytest.mark.skipif(BROWSER is None, reason="a browser is missing: apt-get install chromium")
async def test_the_page_shows_the_queue_as_a_person_wants_to_see_it(page: str, tmp_path: Path) -> None:
    dom = await look(page, tmp_path, "--dump-dom", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1240,1500")
    body = dom[dom.index("<main>") : dom.index("<script>")]
    for shown in (
        '<span class="pill good" id="state">ready</span>',
        "worker 3f9c2a7b, 1 partitions",
        '<div class="value ">66</div>',  # comparisons that wait
        '<div class="value ">55 min</div>',  # the oldest of them
        '<div class="value bad">13 min</div>',  # the nearest deadline
        "1,482",
        "2 TIMEOUT",
        "$1.83",
        "of $5.00, $0.40 reserved",
        "6 of 12",  # rows that the provider has done, by its own word
        "7 of 12",  # of a round that gathers
        '<span class="bad">held</span>',
        '<span class="good">calling</span>',
        "batch_68f1",
        "<b>4</b> jobs open",
        "<b>6</b> rounds open, <b>2</b> still gathering",
        "openai is paused: quota",
        "HTTP 429 insufficient_quota",
        "31 of 50",
        "1,200 of 40,000",
        "paused for 12 s",
        "240 of 1,000",  # of an account's batch queue
        "openai gpt-7",
        "outbox silent for 75 s",
        "3 work records",
        "Judges, by audits that cost $0.26 in 30 days",
        '<span class="bad" title="shift">bent</span>',
        '<span>+4.1<span class="soft small"> (+2.2 to +6.0)</span></span>',
        '<span class="mild">at most 8</span>',
        "not known yet (140 of about 246)",
        "Rankings of <b>2</b> open batches",
        "19.5, 9 at least",
        "at most 0.82",
        '<span class="mild">−3.1 points, surely</span>',
        "2 groups that never met, 1 suspect essay, 1 bundle is of one letter, 6 answers not counted, 2 ended",
        "&lt;img src=x onerror=document.title='hit'&gt;",
    ):
        assert shown in body, shown
    assert "<img" not in body
    assert "<title>roundbatch</title>" in dom
    assert "src=" not in body.replace("&lt;img src=x", "")  # nothing is loaded from anywhere
    tables = re.findall("<table.*?</table>", body)
    assert len(tables) == 4
    for table in tables:
        heads = re.findall("<th [^>]*>", table)
        assert heads
        assert all('scope="col"' in head or 'scope="row"' in head for head in heads)
    bars = re.findall('<div class="bar"[^>]*>', body)
    assert len(bars) == 12
    assert all('role="meter" aria-label="' in one and 'aria-valuetext="' in one for one in bars)
    assert 'aria-label="gpt-6-luna input tokens left"' in body
    assert 'aria-valuetext="1,200 of 40,000, nearly used up"' in body
    assert "switched off here" in body[body.index("<noscript>") : body.index("</noscript>")]


@pytest.fixture
async def on_a_phone() -> AsyncIterator[str]:
    """The address of a document that shows the page as wide as a phone, with the longest names, and measures it."""
    task = asyncio.current_task()

    async def status(_: web.Request) -> web.Response:
        state = json.loads(encode(told(task)))
        state["jobs"]["shown"][0] |= {"round": "cj:" + "0123456789abcdef" * 12, "model": "m" * 120, "attempt": 3}
        state["rounds"]["shown"][0] |= {"round": "r" * 200}
        state["judges"]["models"][0]["model"] = "j" * 120
        state["money"]["accounts"][1]["message"] = "https://example.org/" + "x" * 200
        return web.json_response(state)

    async def rankings(_: web.Request) -> web.Response:
        state = json.loads(encode(ranked()))
        state["shown"][0] |= {"batch": "cj:" + "0123456789abcdef" * 12}
        return web.json_response(state)

    async def around(_: web.Request) -> web.Response:
        return web.Response(text=AROUND, content_type="text/html")

    async def itself(_: web.Request) -> web.Response:
        return web.Response(body=PAGE.read_bytes(), content_type="text/html")

    app = web.Application()
    app.add_routes(
        [web.get("/", itself), web.get("/status", status), web.get("/rankings", rankings), web.get("/around", around)]
    )
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/around"
    await runner.cleanup()


@pytest.mark.skipif(BROWSER is None, reason="a browser is missing: apt-get install chromium")
async def test_nothing_is_cut_off_on_a_phone(on_a_phone: str, tmp_path: Path) -> None:
    dom = await look(on_a_phone, tmp_path, "--dump-dom", f"--screenshot={tmp_path / 'phone.png'}", "--window-size=500,6000")
    found = re.search('<pre id="measured">(.+?)</pre>', dom)
    assert found, dom
    measured = json.loads(html.unescape(found[1]))
    assert measured["seen"] > 100
    assert (measured["width"], measured["needed"], measured["wide"]) == (390, 390, [])
