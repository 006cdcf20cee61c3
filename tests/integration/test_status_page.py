"""The worker's page in a real browser, over a state that shows everything, odd names included."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agents.health import Health
from tests.harness.status_example import told

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
async def page() -> AsyncIterator[str]:
    """The address of the page."""
    task = asyncio.current_task()
    health = Health("127.0.0.1", 0, CollectorRegistry(), not_ready=list, status=lambda: told(task))
    yield f"http://127.0.0.1:{await health.start()}/"
    await health.stop()


async def look(page: str, folder: Path, *options: str) -> str:
    """What the browser has made of the page after two seconds of its own clock."""
    # Without a sandbox, for tests run as root in containers; nothing but our own page is opened.
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    started = await asyncio.create_subprocess_exec(
        *(*command, f"--user-data-dir={folder}", "--virtual-time-budget=2000", *options, page),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        dom, _ = await asyncio.wait_for(started.communicate(), 60)
    finally:
        if started.returncode is None:
            started.kill()
    return dom.decode()


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
        "&lt;img src=x onerror=document.title='hit'&gt;",
    ):
        assert shown in body, shown
    assert "<img" not in body
    assert "<title>roundbatch</title>" in dom
    assert "src=" not in body.replace("&lt;img src=x", "")  # nothing is loaded from anywhere
