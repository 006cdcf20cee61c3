"""`python -m simulator '{"seed": 1}'`: a simulator on a free port of 127.0.0.1, its settings as JSON."""

import sys

from simulator.process import serve
from simulator.settings import SimulatorSettings

if __name__ == "__main__":
    serve(SimulatorSettings.model_validate_json(sys.argv[1] if len(sys.argv) > 1 else "{}"), "127.0.0.1", 0)
