"""Settings of the gateway, `roundbatch gateway`. Kafka, topics, log level and time to stop are those of the worker."""

from pydantic import BaseModel, ConfigDict, Field


class GatewaySettings(BaseModel):
    """How comparisons are taken over HTTP. docs/gateway.md says how posts are answered."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that the gateway listens on; 0.0.0.0 in a container."
    )
    port: int = Field(default=8080, ge=0, le=65_535, description="Port that the gateway listens on; 0 takes a free one.")
    hold_s: float = Field(
        default=50.0,
        gt=0,
        le=55,  # CJ's client waits 60 s, and does not send again what it has given up
        description="A post that Kafka has not acknowledged this long after its headers came is answered 503; CJ waits 60 s.",
    )
    most_held: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Most posts that are held, of up to 1 MiB each; a further one is answered 503 at once.",
    )
    head_timeout_s: float = Field(
        default=10.0, gt=0, description="A request whose headers have not come within this time is answered 408."
    )
    body_timeout_s: float = Field(
        default=15.0, gt=0, description="A request whose body has not come within this time after its headers is answered 408."
    )
    keep_alive_s: float = Field(
        default=75.0,
        gt=0,
        description="An idle connection is closed after this long, which should be longer than clients keep it (aiohttp 15 s).",
    )
    environment: str = Field(default="production", description="What /healthz says under `environment`.")
