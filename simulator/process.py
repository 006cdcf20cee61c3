"""A simulator as a process of its own: serving it, and starting one for a test."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from simulator.control import SimulatorControl
from simulator.server import create_app
from simulator.settings import SimulatorSettings

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


class _Server(uvicorn.Server):
    """A uvicorn server that prints its port on stdout, and that ends with exit code 0 on SIGTERM.

    uvicorn raises the signal again after its shutdown, so that a supervisor would see exit code -15.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            line = json.dumps({"event": "simulator_listening", "port": port})
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A client whose answer is kept back sees its connection drop, as when a provider goes away; uvicorn would
        # wait for the answer, and then send a 500.
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, self, "should_exit", True)
        yield


class CannotListen(Exception):
    """The address is taken, or is not one of this machine; the message says which address, and why."""


def serve(settings: SimulatorSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes any free one. Errors: CannotListen."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        why, _, _ = str(error.strerror).partition(" (")  # create_server adds the address in brackets
        raise CannotListen(f"the simulator cannot listen on {host}:{port}: {why}") from error
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        # The providers' clients leave a connection that was idle for 5 s. A server that closed it at that same moment, as
        # uvicorn does by itself, would break off a call that is on its way.
        timeout_keep_alive=60,
        # A hanging answer must not keep the process from ending.
        timeout_graceful_shutdown=1,
    )
    with listener:
        _Server(config).run(sockets=[listener])


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the simulator ended with exit code {process.wait()} before it listened")
    return int(json.loads(line)["port"])


@contextlib.contextmanager
def running_simulator(*, niceness: int = 0, **settings: Any) -> Iterator[SimulatorControl]:
    """A simulator process on a free port of 127.0.0.1, with its control client; ended by SIGTERM at the exit.

    `settings` are the fields of SimulatorSettings. niceness: with 19 it leaves the processor to all others, as a provider does.
    """
    checked = SimulatorSettings.model_validate(settings).model_dump_json()
    command = [sys.executable, "-m", "simulator", checked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if niceness:  # otherwise as nice as this process; less would need a right
                os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
            yield SimulatorControl(f"http://127.0.0.1:{_port(process)}")
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
