"""Where a setting comes from, and what is said about one that cannot be used."""

from pathlib import Path

import pytest

from paydue.config import Config, WrongSetting, load_config


@pytest.fixture
def load(tmp_path):
    """Load a configuration whose default data folder is the test's own."""

    def load(environment=None, *, file=None, defaults=None, text=None, **options) -> Config:
        if text is not None:
            (tmp_path / "paydue.toml").write_text(text, encoding="utf-8")
        return load_config(options, environment or {}, default_data=tmp_path, file=file, defaults=defaults)

    return load


def test_without_anything_the_defaults_hold(load, tmp_path):
    assert load() == Config(data=tmp_path)


def test_an_option_counts_before_the_environment_and_that_before_the_file_and_that_before_the_default(load):
    everywhere = {"defaults": {"port": 1}, "text": "port = 2"}

    assert load({"PAYDUE_PORT": "3"}, port=4, **everywhere).port == 4
    assert load({"PAYDUE_PORT": "3"}, port=None, **everywhere).port == 3
    assert load(**everywhere).port == 2
    assert load(text="", defaults={"port": 1}).port == 1


def test_the_file_of_the_data_folder_that_an_option_names_is_read(load, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "paydue.toml").write_text("burst = 7", encoding="utf-8")

    assert load(data=folder).burst == 7
    assert load({"PAYDUE_DATA": str(folder)}).burst == 7


def test_a_file_that_is_named_replaces_that_of_the_data_folder(load, tmp_path):
    named = tmp_path / "named.toml"
    named.write_text("burst = 8", encoding="utf-8")

    assert load(text="burst = 7", file=named).burst == 8
    assert load({"PAYDUE_CONFIG": str(named)}, text="burst = 7").burst == 8


def test_a_variable_that_is_empty_is_not_set(load):
    assert load({"PAYDUE_PORT": ""}, text="port = 2").port == 2


def test_paths_in_a_file_are_meant_from_where_the_file_is(load, tmp_path, monkeypatch):
    monkeypatch.chdir("/")

    assert load(text='mailbox_dir = "mails"').mailbox_dir == tmp_path / "mails"
    assert load(text="", mailbox_dir=Path("mails")).mailbox_dir == Path("/mails")


def test_every_kind_of_value_can_be_given_as_text(load):
    config = load(
        {
            "PAYDUE_ALLOWED_HOSTS": "api.example.com, API.example.com:8443,[::1]:8080",
            "PAYDUE_ACCEPT_JWT_V1": "Yes",
            "PAYDUE_RATE_LIMIT": "0",
            "PAYDUE_REPLAY": "reject",
            "PAYDUE_PUBLIC_URL": "https://Pay.example.com:444/",
            "PAYDUE_HOST": "::1",
        }
    )

    assert config.allowed_hosts == ("api.example.com", "api.example.com:8443", "[::1]:8080")
    assert config.accept_jwt_v1 is True
    assert config.rate_limit == 0
    assert config.replay == "reject"
    assert config.public_url == "https://pay.example.com:444"
    assert config.host == "::1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "８０"),
        ("port", "80.0"),
        ("tls_port", "1e3"),
        ("rate_limit", "many"),
        ("rate_limit", "-5"),
        ("burst", "0"),
        ("trusted_proxies", "0"),
        ("host", "example.com"),
        ("host", "127.0.0.1:80"),
        ("public_url", "pay.example.com"),
        ("public_url", "ftp://pay.example.com"),
        ("public_url", "https://pay.example.com/invoices"),
        ("public_url", "https://pay.example.com?x=1"),
        ("public_url", "https://user@pay.example.com"),
        ("public_url", "https://pay.example.com:99999"),
        ("public_url", "https://pay .example.com"),
        ("public_url", "https://"),
        ("allowed_hosts", "https://api.example.com"),
        ("allowed_hosts", "api.example.com,,b"),
        ("accept_jwt_v1", "perhaps"),
        ("amount_rules", "lax"),
        ("replay", "maybe"),
        ("database", "mysql://localhost/paydue"),
        ("database", "sqlite://"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("max_queue", "0"),
    ],
)
def test_a_wrong_value_names_itself_where_it_came_from_and_what_was_expected(load, name, value):
    variable = f"PAYDUE_{name.upper()}"

    with pytest.raises(WrongSetting) as wrong:
        load({variable: value})

    assert str(wrong.value).startswith(f"{name} ({variable}) is ")
    assert "expected " in str(wrong.value)


@pytest.mark.parametrize("text", ["port = true", "port = 80.0", 'accept_jwt_v1 = "perhaps"', "host = 1", "data = []"])
def test_a_value_of_another_kind_in_the_file_names_the_file(load, tmp_path, text):
    with pytest.raises(WrongSetting, match=str(tmp_path / "paydue.toml")):
        load(text=text)


def test_a_wrong_option_is_named_as_it_is_typed(load):
    with pytest.raises(WrongSetting, match=r"^tls_port \(--tls-port\) is 70000: expected a port number"):
        load(tls_port=70000)


def test_a_password_in_a_database_url_is_not_shown(load):
    with pytest.raises(WrongSetting) as wrong:
        load({"PAYDUE_DATABASE": "mysql://paydue:hunter2@localhost/paydue"})

    assert "hunter2" not in str(wrong.value)


def test_a_name_in_the_file_that_is_no_setting_is_refused_and_the_nearest_suggested(load):
    with pytest.raises(WrongSetting, match=r"rate_limits in .* is not a setting, perhaps rate_limit is meant"):
        load(text="rate_limits = 5")


def test_a_variable_that_is_no_setting_is_kept_for_a_warning(load):
    assert load({"PAYDUE_RATE": "5", "PAYDUE_PORT": "1", "OTHER": "x"}).unknown == ("PAYDUE_RATE",)


def test_a_file_that_is_not_toml_or_not_there_is_named(load, tmp_path):
    with pytest.raises(WrongSetting, match=r"paydue\.toml is not TOML"):
        load(text="port 80")
    with pytest.raises(WrongSetting, match=r"missing\.toml cannot be read"):
        load(file=tmp_path / "missing.toml")


def test_a_file_cannot_move_the_folder_it_is_in(load):
    with pytest.raises(WrongSetting, match=r"data in .*paydue\.toml"):
        load(text='data = "/elsewhere"')


def test_a_certificate_without_its_key_is_refused(load):
    with pytest.raises(WrongSetting, match="tls_key is not set"):
        load(tls_certificate=Path("server.pem"))


def test_http_and_https_need_two_ports(load):
    with pytest.raises(WrongSetting, match="expected two different ports"):
        load(port=8080, tls_port=8080)
    assert load(port=0, tls_port=0).tls_port == 0


def test_a_mail_server_is_named_with_its_password_which_nothing_shows(load):
    named = {"PAYDUE_SMTP_HOST": "smtp.example.com", "PAYDUE_SMTP_USER": "paydue", "PAYDUE_SMTP_PASSWORD": "hunter2"}
    config = load(named)

    assert (config.smtp_host, config.smtp_security, config.smtp_port) == ("smtp.example.com", "starttls", None)
    assert config.smtp_password is not None
    assert config.smtp_password.reveal() == "hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PAYDUE_SMTP_USER": "paydue"}, "smtp_password is not set"),
        ({"PAYDUE_SMTP_PASSWORD": "hunter2"}, "smtp_user is not set"),
        (
            {"PAYDUE_SMTP_USER": "a", "PAYDUE_SMTP_PASSWORD": "hunter2", "PAYDUE_SMTP_SECURITY": "none"},
            "a password is sent over TLS only",
        ),
        ({"PAYDUE_SMTP_PASSWORD": "hunter2\n"}, "smtp_password (PAYDUE_SMTP_PASSWORD) is not shown"),
        ({"PAYDUE_SMTP_HOST": "smtp.example.com:587"}, "expected a host name"),
        ({"PAYDUE_EGRESS_PORTS": "443,0"}, "expected port numbers"),
        ({"PAYDUE_EGRESS_NETWORKS": "10.1.0.1/16"}, "expected networks"),
        ({"PAYDUE_WEBHOOK_DEFAULT_POLICY": "never"}, "expected compat or resilient"),
    ],
)
def test_what_is_wrong_about_mails_and_calls_is_said_without_the_password(load, environment, words):
    with pytest.raises(WrongSetting) as wrong:
        load(environment)

    assert words in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


def test_ports_and_networks_are_lists_in_the_file_and_parted_by_commas_in_the_environment(load):
    from_file = load(text='egress_ports = [443, 9443]\negress_networks = ["10.1.0.0/16"]')
    from_environment = load({"PAYDUE_EGRESS_PORTS": "443, 9443", "PAYDUE_EGRESS_NETWORKS": "10.1.0.0/16"})

    assert from_file.egress_ports == from_environment.egress_ports == (443, 9443)
    assert from_file.egress_networks == from_environment.egress_networks == ("10.1.0.0/16",)


CYBERSOURCE = {
    "PAYDUE_CYBERSOURCE_URL": "https://apitest.cybersource.com",
    "PAYDUE_CYBERSOURCE_MERCHANT_ID": "acme_shop",
    "PAYDUE_CYBERSOURCE_KEY_ID": "08c94330-f618-42a3-b09d-e1e43be5efda",
    "PAYDUE_CYBERSOURCE_SECRET": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


def test_a_gateway_is_chosen_with_its_account_whose_secret_nothing_shows(load):
    config = load({"PAYDUE_GATEWAY": "cybersource", **CYBERSOURCE})

    assert (config.gateway, config.cybersource_url) == ("cybersource", "https://apitest.cybersource.com")
    assert config.cybersource_secret.reveal() == CYBERSOURCE["PAYDUE_CYBERSOURCE_SECRET"]
    assert CYBERSOURCE["PAYDUE_CYBERSOURCE_SECRET"] not in repr(config)
    # Of a gateway that is not chosen any more, the account may stay: it settles what was begun with it.
    assert load(CYBERSOURCE).gateway == "none"


@pytest.mark.parametrize("missing", CYBERSOURCE)
def test_an_account_is_named_whole_or_not_at_all(load, missing):
    partly = {name: value for name, value in CYBERSOURCE.items() if name != missing}
    for choice in ({}, {"PAYDUE_GATEWAY": "cybersource"}):
        with pytest.raises(WrongSetting, match=f"^{missing.removeprefix('PAYDUE_').lower()} is not set"):
            load(choice | partly)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAYDUE_CYBERSOURCE_URL", "http://apitest.cybersource.com"),
        ("PAYDUE_CYBERSOURCE_URL", "https://apitest.cybersource.com/pts"),
        ("PAYDUE_CYBERSOURCE_MERCHANT_ID", "a\nb"),
        ("PAYDUE_CYBERSOURCE_SECRET", "not base64!"),
        ("PAYDUE_CYBERSOURCE_SECRET", "c2hvcnQ="),
        ("PAYDUE_CYBERSOURCE_COUNTRY", "usa"),
        ("PAYDUE_GATEWAY", "paypal"),
    ],
)
def test_a_wrong_word_about_a_gateway_names_itself_and_a_secret_is_never_shown(load, variable, value):
    with pytest.raises(WrongSetting) as wrong:
        load(CYBERSOURCE | {variable: value})

    assert variable in str(wrong.value)
    assert "SECRET" not in variable or value not in str(wrong.value)


STRIPE = {
    "PAYDUE_STRIPE_SECRET_KEY": "rk_test_0123456789abcdef",
    "PAYDUE_STRIPE_WEBHOOK_SECRETS": "whsec_new12345, whsec_old12345",
}


def test_stripe_needs_a_key_and_takes_several_webhook_secrets(load):
    config = load({"PAYDUE_GATEWAY": "stripe", **STRIPE, "PAYDUE_STRIPE_PAGE_ORIGINS": "https://pay.example.com"})

    assert config.stripe_secret_key.reveal() == "rk_test_0123456789abcdef"
    assert [each.reveal() for each in config.stripe_webhook_secrets] == ["whsec_new12345", "whsec_old12345"]
    assert config.stripe_page_origins == ("https://pay.example.com",)
    assert "0123456789" not in repr(config)
    assert "12345" not in repr(config)
    with pytest.raises(WrongSetting, match=r"^stripe_secret_key is not set, and gateway is stripe"):
        load({"PAYDUE_GATEWAY": "stripe"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAYDUE_STRIPE_SECRET_KEY", "pk_test_0123456789abcdef"),
        ("PAYDUE_STRIPE_SECRET_KEY", "sk_test_0123456789abcdef\r\nX-Other: 1"),
        ("PAYDUE_STRIPE_WEBHOOK_SECRETS", "whsec_new12345,sk_test_0123456789abcdef"),
        ("PAYDUE_STRIPE_PAGE_ORIGINS", "http://pay.example.com"),
        ("PAYDUE_STRIPE_URL", "http://api.stripe.example"),
    ],
)
def test_a_wrong_word_about_stripe_names_itself_and_a_secret_is_never_shown(load, variable, value):
    with pytest.raises(WrongSetting) as wrong:
        load(STRIPE | {variable: value})

    assert variable in str(wrong.value)
    assert "test_0" not in str(wrong.value)
