"""How Kafka is reached: which settings go together, which are refused in words, and secrets out of files."""

import json
import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.main import app
from settings.settings import UnusableSettings, load_settings
from streams.kafka import security
from tests.brokers.certificates import Authority, Signed

PASSWORD = "correct horse battery staple"
SCRAM = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "me",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}
OAUTH = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "KAFKA_OAUTH_TOKEN_URL": "https://login.example/token",
    "KAFKA_OAUTH_CLIENT_ID": "me",
    "KAFKA_OAUTH_CLIENT_SECRET": PASSWORD,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signed(authority: Authority) -> Signed:
    return authority.sign("me")


def refusal(env: dict[str, str]) -> str:
    with pytest.raises(UnusableSettings) as caught:
        load_settings(env)
    message = str(caught.value)
    assert "\n" not in message
    assert PASSWORD not in message
    assert caught.value.__cause__ is None
    return message


def without(env: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names}


def test_names_with_and_without_prefix_and_in_any_case() -> None:
    given = {**SCRAM, "KAFKA_SECURITY_PROTOCOL": "sasl_ssl", "ROUNDBATCH_KAFKA_SASL_MECHANISM": "plain"}
    settings = load_settings(given)
    assert (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) == ("SASL_SSL", "PLAIN")
    assert settings.kafka_sasl_password == SecretStr(PASSWORD)
    assert PASSWORD not in repr(settings)


@pytest.mark.parametrize(
    ("env", "parts"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, ["KAFKA_SECURITY_PROTOCOL='TLS'", "'SASL_SSL'"]),
        ({**SCRAM, "KAFKA_SASL_MECHANISM": "GSSAPI"}, ["KAFKA_SASL_MECHANISM='GSSAPI'", "'SCRAM-SHA-512'"]),
        (
            without(SCRAM, "KAFKA_SASL_MECHANISM"),
            ["KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"],
        ),
        (
            without(SCRAM, "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
            ["KAFKA_SASL_MECHANISM=SCRAM-SHA-512 needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"],
        ),
        (without(SCRAM, "KAFKA_SASL_PASSWORD"), ["needs KAFKA_SASL_PASSWORD"]),
        (
            without(SCRAM, "KAFKA_SECURITY_PROTOCOL"),
            ["KAFKA_SECURITY_PROTOCOL=PLAINTEXT has no use for", "KAFKA_SASL_PASSWORD", "make it SASL_SSL, or unset them"],
        ),
        ({"KAFKA_SSL_CA_FILE": "ca.pem"}, ["PLAINTEXT has no use for KAFKA_SSL_CA_FILE", "SSL or SASL_SSL, or unset it"]),
        ({**SCRAM, "KAFKA_OAUTH_SCOPE": "kafka"}, ["has no use for KAFKA_OAUTH_SCOPE: make it OAUTHBEARER"]),
        (
            without(OAUTH, "KAFKA_OAUTH_TOKEN_URL"),
            ["KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_OAUTH_TOKEN_URL, or KAFKA_OAUTH_MSK_REGION"],
        ),
        (without(OAUTH, "KAFKA_OAUTH_CLIENT_SECRET"), ["needs KAFKA_OAUTH_CLIENT_SECRET"]),
        ({**OAUTH, "KAFKA_SASL_USERNAME": "me"}, ["OAUTHBEARER has no use for KAFKA_SASL_USERNAME"]),
        ({**OAUTH, "KAFKA_OAUTH_MSK_REGION": "eu-north-1"}, ["has no use for KAFKA_OAUTH_TOKEN_URL", "unset that one"]),
        ({**OAUTH, "KAFKA_OAUTH_TOKEN_URL": "login.example"}, ["KAFKA_OAUTH_TOKEN_URL='login.example': must be https://"]),
        ({**OAUTH, "KAFKA_OAUTH_TOKEN_URL": "https://me:pw@login.example/"}, ["no password"]),
        (
            {**SCRAM, "KAFKA_SSL_CA_FILE": "/no/such/ca.pem"},
            ["KAFKA_SSL_CA_FILE='/no/such/ca.pem' cannot be read: No"],
        ),
        ({**SCRAM, "KAFKA_SSL_CA_FILE": __file__}, ["KAFKA_SSL_CA_FILE", "holds no certificate in PEM"]),
        ({**SCRAM, "KAFKA_SSL_CERT_FILE": "me.pem"}, ["KAFKA_SSL_CERT_FILE needs KAFKA_SSL_KEY_FILE"]),
        ({**SCRAM, "KAFKA_SSL_KEY_FILE": "me.key"}, ["KAFKA_SSL_KEY_FILE needs KAFKA_SSL_CERT_FILE"]),
        ({**SCRAM, "KAFKA_SSL_KEY_PASSWORD": PASSWORD}, ["KAFKA_SSL_KEY_PASSWORD needs KAFKA_SSL_KEY_FILE"]),
    ],
)
def test_what_cannot_work_is_refused_in_words(env: dict[str, str], parts: list[str]) -> None:
    message = refusal(env)
    for part in parts:
        assert part in message


def test_amazons_signer_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    iam = {**without(OAUTH, *(name for name in OAUTH if "OAUTH_" in name)), "KAFKA_OAUTH_MSK_REGION": "eu-north-1"}
    assert load_settings(iam).kafka_oauth_msk_region == "eu-north-1"
    monkeypatch.setattr("settings.kafka.find_spec", lambda name: None)
    assert "pip install 'roundbatch[msk]'" in refusal(iam)


def mutual(signed: Signed, **more: str) -> dict[str, str]:
    return {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CERT_FILE": str(signed.certificate),
        "KAFKA_SSL_KEY_FILE": str(signed.key),
        **more,
    }


def test_a_certificate_of_ones_own_needs_its_own_key(authority: Authority, signed: Signed) -> None:
    load_settings(mutual(signed))
    other = Signed(signed.certificate, authority.sign("other").key)
    assert "are no certificate and its private key in PEM (KEY_VALUES_MISMATCH)" in refusal(mutual(other))
    assert "are no certificate and its private key" in refusal(mutual(Signed(Path(__file__), signed.key)))


def test_an_encrypted_key_needs_its_password_and_nobody_is_asked_for_it(authority: Authority) -> None:
    locked = authority.sign("locked", password=PASSWORD)
    load_settings(mutual(locked, KAFKA_SSL_KEY_PASSWORD=PASSWORD))
    assert "is encrypted: set KAFKA_SSL_KEY_PASSWORD" in refusal(mutual(locked))
    assert "cannot be decrypted with KAFKA_SSL_KEY_PASSWORD" in refusal(mutual(locked, KAFKA_SSL_KEY_PASSWORD="another"))
    assert "cannot be decrypted with" in refusal(
        mutual(locked, KAFKA_SSL_KEY_PASSWORD=PASSWORD * 100)
    )  # longer than OpenSSL takes


@pytest.mark.parametrize(
    ("name", "env", "path"),
    [
        ("KAFKA_SASL_PASSWORD", SCRAM, "kafka_sasl_password"),
        ("ROUNDBATCH_KAFKA_SASL_PASSWORD", SCRAM, "kafka_sasl_password"),
        ("KAFKA_OAUTH_CLIENT_SECRET", OAUTH, "kafka_oauth_client_secret"),
        ("ANTHROPIC_API_KEY", {}, "anthropic.api_key"),
        ("ROUNDBATCH_ANTHROPIC__API_KEY", {}, "anthropic.api_key"),
        ("OPENAI_API_KEY", {}, "openai.api_key"),
    ],
)
def test_every_secret_may_be_in_a_file(name: str, env: dict[str, str], path: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of-the-file\r\n")
    found: object = load_settings({**without(env, name.removeprefix("ROUNDBATCH_")), f"{name}_FILE": str(file)})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == SecretStr("of-the-file")


def test_a_secret_and_its_file_are_not_both_taken(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of-the-file")
    message = refusal({"ANTHROPIC_API_KEY": "one", "ROUNDBATCH_ANTHROPIC__API_KEY_FILE": str(tmp_path / "key")})
    assert message == "ANTHROPIC_API_KEY and ROUNDBATCH_ANTHROPIC__API_KEY_FILE are both set: unset one of them"


def test_a_secrets_file_of_no_use_is_named(tmp_path: Path) -> None:
    missing, empty, binary, bad = (tmp_path / name for name in ("missing", "empty", "binary", "bad"))
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    bad.write_text("two words of a secret")
    for file, said in (
        (missing, "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (empty, "is empty"),
        (binary, "it holds no UTF-8 text"),
    ):
        message = refusal({"OPENAI_API_KEY_FILE": str(file)})
        assert message.startswith(f"OPENAI_API_KEY_FILE='{file}'")
        assert said in message
    message = refusal({"OPENAI_API_KEY_FILE": str(bad)})
    assert message.startswith(f"OPENAI_API_KEY_FILE='{bad}': must be one word")
    assert "two words" not in message


def test_what_is_no_secret_has_no_file() -> None:
    assert "ROUNDBATCH_PARTITIONS_FILE is no setting" in refusal({"ROUNDBATCH_PARTITIONS_FILE": "x"})


@pytest.mark.parametrize("arguments", [["config"], ["config", "--json"]])
def test_no_secret_of_kafka_is_printed(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    env = {**without(SCRAM, "KAFKA_SASL_PASSWORD"), "KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password")}
    done = CliRunner(env={**env, "COLUMNS": "200"}).invoke(app, arguments)
    assert done.exit_code == 0
    assert "KAFKA_SASL_PASSWORD_FILE" in done.output
    assert "horse" not in done.output
    if "--json" in arguments:
        found = {one["name"]: one["value"] for one in json.loads(done.stdout)["settings"]}
        assert found["ROUNDBATCH_KAFKA_SASL_PASSWORD"] == "set (…aple)"


def test_a_certificate_is_checked_and_its_host_name_unless_told_otherwise(authority: Authority) -> None:
    tls = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": str(authority.ca)}
    context = load_settings(tls).ssl_context()
    lax = load_settings({**tls, "KAFKA_SSL_CHECK_HOSTNAME": "false"}).ssl_context()
    assert context is not None
    assert lax is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_REQUIRED, False)
    assert [names["subject"] for names in context.get_ca_certs()] == [((("commonName", "roundbatch test authority"),),)]


def test_what_each_library_is_given(authority: Authority) -> None:
    from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

    for env in (
        {},
        {**SCRAM, "KAFKA_SSL_CA_FILE": str(authority.ca)},
        {**SCRAM, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        {"KAFKA_SECURITY_PROTOCOL": "SSL"},
        OAUTH,
    ):
        settings = load_settings(env)
        ours = security.connection(settings)
        fausts = credentials_to_aiokafka_auth(security.faust_credentials(settings))
        kept = ("security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password")
        assert [ours.get(name) for name in kept] == [fausts.get(name) for name in kept]
        assert (ours["ssl_context"] is None) == (fausts.get("ssl_context") is None)
        assert (ours.get("sasl_oauth_token_provider") is None) == (fausts.get("sasl_oauth_token_provider") is None)
        confluents = security.librdkafka(settings)
        assert confluents["security.protocol"] == ours["security_protocol"]
        assert confluents.get("sasl.mechanism") == ours.get("sasl_mechanism")
        assert confluents.get("sasl.password") == ours.get("sasl_plain_password")
        assert confluents.get("ssl.ca.location") == env.get("KAFKA_SSL_CA_FILE")
