"""`python -m cli` is the `roundbatch` command."""

from cli.main import app

app(prog_name="roundbatch")
