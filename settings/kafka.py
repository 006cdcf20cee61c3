"""How Kafka is reached: where it is, and how a client shows who it is and checks whom it talks to."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from settings import tls

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:,/@\[\]]+):(\d{1,5})")
_PASSWORD = ("kafka_sasl_username", "kafka_sasl_password")
_CLIENT = ("kafka_oauth_client_id", "kafka_oauth_client_secret")
_OAUTH = ("kafka_oauth_token_url", *_CLIENT, "kafka_oauth_scope", "kafka_oauth_msk_region")
_SSL = ("kafka_ssl_ca_file", "kafka_ssl_cert_file", "kafka_ssl_key_file", "kafka_ssl_key_password")


class KafkaSettings(BaseModel):
    """What every client of Kafka needs; frozen. A combination that cannot work, or an unusable file, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Where Kafka is, as host:port[,host:port…].")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="The protocol of Kafka's listener there."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="How a client authenticates, with SASL_PLAINTEXT and SASL_SSL."
    )
    kafka_sasl_username: str | None = Field(default=None, min_length=1, description="The user's name, with PLAIN and SCRAM.")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="The user's password, with PLAIN and SCRAM.")
    kafka_ssl_ca_file: Path | None = Field(
        default=None,
        description="Authorities that may have signed Kafka's certificate (PEM); by default those that this machine trusts.",
    )
    kafka_ssl_cert_file: Path | None = Field(
        default=None, description="The client's own certificate (PEM), if Kafka asks for one."
    )
    kafka_ssl_key_file: Path | None = Field(default=None, description="The private key of the client's certificate (PEM).")
    kafka_ssl_key_password: SecretStr | None = Field(default=None, description="The password of that key, if it is encrypted.")
    kafka_ssl_check_hostname: bool = Field(
        default=True, description="Whether Kafka's certificate must be for the host name that is connected to."
    )
    kafka_oauth_token_url: str | None = Field(
        default=None, description="With OAUTHBEARER: where a client gets a token for its id and secret."
    )
    kafka_oauth_client_id: str | None = Field(default=None, min_length=1, description="With OAUTHBEARER: the client's id.")
    kafka_oauth_client_secret: SecretStr | None = Field(default=None, description="With OAUTHBEARER: the client's secret.")
    kafka_oauth_scope: str | None = Field(default=None, description="With OAUTHBEARER: the scope to ask for, if any.")
    kafka_oauth_msk_region: str | None = Field(
        default=None,
        min_length=1,
        description="With OAUTHBEARER, in place of a token URL: the region of an Amazon MSK with IAM (needs the extra `msk`).",
    )

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _hosts_with_ports(cls, servers: str) -> str:
        return bootstrap_servers(servers)

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _in_capitals(cls, name: object) -> object:
        return name.upper() if isinstance(name, str) else name

    @field_validator("kafka_oauth_token_url")
    @classmethod
    def _url_without_credentials(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise ValueError("must be https://HOST[:PORT]/PATH or http://…")
        if parts.username or parts.password:
            raise ValueError("must hold no user name and no password")  # it is printed
        return url

    @model_validator(mode="after")
    def _kafka_fields_agree(self) -> Self:
        broken = [*self._sasl_problems(), *self._ssl_problems()]
        if broken:
            raise ValueError("; ".join(broken))
        self.ssl_context()
        return self

    @property
    def kafka_uses_sasl(self) -> bool:
        """Whether a client says who it is by SASL."""
        return self.kafka_security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    @property
    def kafka_uses_ssl(self) -> bool:
        """Whether connections are encrypted."""
        return self.kafka_security_protocol in ("SSL", "SASL_SSL")

    def ssl_context(self) -> tls.SSLContext | None:
        """How connections are encrypted and checked, read from the files anew. ValueError where the files are unusable."""
        if not self.kafka_uses_ssl:
            return None
        return tls.context(
            ca=tls.NamedFile.of("KAFKA_SSL_CA_FILE", self.kafka_ssl_ca_file),
            cert=tls.NamedFile.of("KAFKA_SSL_CERT_FILE", self.kafka_ssl_cert_file),
            key=tls.NamedFile.of("KAFKA_SSL_KEY_FILE", self.kafka_ssl_key_file),
            key_password=self.kafka_ssl_key_password,
            password_name="KAFKA_SSL_KEY_PASSWORD",
            check_hostname=self.kafka_ssl_check_hostname,
        )

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name.upper() for name in names if getattr(self, name) is not None]

    def _missing(self, names: tuple[str, ...]) -> list[str]:
        return [name.upper() for name in names if getattr(self, name) is None]

    def _sasl_problems(self) -> list[str]:
        protocol, mechanism = self.kafka_security_protocol, self.kafka_sasl_mechanism
        if not self.kafka_uses_sasl:
            idle = self._given(("kafka_sasl_mechanism", *_PASSWORD, *_OAUTH))
            return _unused(idle, f"KAFKA_SECURITY_PROTOCOL={protocol}", "make it SASL_SSL")
        if mechanism is None:
            return [f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_MECHANISM: {', '.join(MECHANISMS)}"]
        said = f"KAFKA_SASL_MECHANISM={mechanism}"
        if mechanism != "OAUTHBEARER":
            return [
                *_needed(self._missing(_PASSWORD), said),
                *_unused(self._given(_OAUTH), said, "make it OAUTHBEARER"),
            ]
        broken = _unused(self._given(_PASSWORD), said, "make it SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
        if self.kafka_oauth_msk_region is None:
            if self.kafka_oauth_token_url is None:
                return [*broken, f"{said} needs KAFKA_OAUTH_TOKEN_URL, or KAFKA_OAUTH_MSK_REGION for IAM on Amazon MSK"]
            return [*broken, *_needed(self._missing(_CLIENT), said)]
        idle = self._given(("kafka_oauth_token_url", *_CLIENT, "kafka_oauth_scope"))
        broken += _unused(idle, f"KAFKA_OAUTH_MSK_REGION={self.kafka_oauth_msk_region}", "unset that one")
        if find_spec("aws_msk_iam_sasl_signer") is None:
            broken.append("KAFKA_OAUTH_MSK_REGION needs Amazon's signer: pip install 'roundbatch[msk]'")
        return broken

    def _ssl_problems(self) -> list[str]:
        if not self.kafka_uses_ssl:
            encrypted = "SASL_SSL" if self.kafka_uses_sasl else "SSL or SASL_SSL"
            return _unused(self._given(_SSL), f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol}", f"make it {encrypted}")
        cert, key, password = (getattr(self, name) is not None for name in _SSL[1:])
        broken = []
        if cert != key:
            there, missing = ("CERT", "KEY") if cert else ("KEY", "CERT")
            broken.append(f"KAFKA_SSL_{there}_FILE needs KAFKA_SSL_{missing}_FILE (the same file, where it holds both)")
        if password and not key:
            broken.append("KAFKA_SSL_KEY_PASSWORD needs KAFKA_SSL_KEY_FILE")
        return broken


def bootstrap_servers(servers: str) -> str:
    """The servers without spaces between them; ValueError where they are not host:port[,host:port…]."""
    names = [name.strip() for name in servers.split(",")]
    found = [_SERVER.fullmatch(name) for name in names]
    if not all(match and 0 < int(match[2]) < 65_536 for match in found):
        raise ValueError("must be host:port[,host:port…] without a scheme")
    return ",".join(names)


def _needed(names: list[str], by: str) -> list[str]:
    return [f"{by} needs {' and '.join(names)}"] if names else []


def _unused(names: list[str], beside: str, remedy: str) -> list[str]:
    """A complaint about settings that would do nothing: whoever set them relies on what they would not do."""
    if not names:
        return []
    return [f"{beside} has no use for {', '.join(names)}: {remedy}, or unset {'it' if len(names) == 1 else 'them'}"]
