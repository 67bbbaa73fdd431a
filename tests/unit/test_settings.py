"""`preserve.toml` and PRESERVE_*: what can't be used is named with a remedy, and nothing is ignored."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from preservation.errors import SettingsInvalid
from preservation.pipeline import initialise
from preservation.settings import PROJECT, Limits, Settings, load
from preservation.settings.shape import SHAPE, VARIABLES

AUTHORITY = '[[authority]]\nname = "north"\nurl = "https://tsa.example/"\nroots = "trust/north.pem"\n'
WITNESS = '[[witness]]\nname = "w"\nurl = "https://w.example"\nvkey = "w+1+x"\n'
EGRESS = '[[egresses]]\nname = "out"\nurl = "socks5://127.0.0.1:1080"\n'


def loaded(home: Path, text: str = "", **environment: str) -> Settings:
    (home / "preserve.toml").write_text(f'log_origin = "test.invalid/log"\n{text}', "utf-8")
    return load(home, {f"PRESERVE_{name}": value for name, value in environment.items()})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("audit_day = 7", "audit_day. Write audit_days"),
        ("colour = 7", "colour. Known are: log_origin"),
        ("[airflow]\nparalelism = 2", r"\[airflow\] knows no paralelism. Write parallelism"),
        ("[limits]\npage_worker = 2", r"\[limits\] knows no page_worker. Write page_workers"),
        (f"{AUTHORITY}is_tests = true", r"\[\[authority\]\] knows no is_tests. Write is_test"),
        (f"{AUTHORITY}audit_days = 7", r"knows no audit_days. Move it up"),
        (f'{AUTHORITY}calendars = ["https://c.example"]', "knows no calendars. Move it up"),
    ],
)
def test_a_key_that_nothing_reads_is_refused(tmp_path, text, named):
    with pytest.raises(SettingsInvalid, match=named):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        'keeps_recordings = "false"',
        'protects_sources = "no"',
        "post_comments = 1",
        "post_pages = 1",
        'calendars = "https://c.example"',
        "calendars = [1]",
        "allow_networks = 3",
        "allow_networks = [3]",
        "database_url = 3",
        "user_agent = 3",
        "capture_roots = 3",
        "egress = 3",
        "audit_days = true",
        "audit_days = 1.5",
        'witness_quorum = "two"',
        "limits = 3",
        "airflow = 3",
        'storage = "s3://bucket"',
        'authority = "north"',
        AUTHORITY.replace("[[authority]]", "[authority]"),
        AUTHORITY.replace('"trust/north.pem"', "3"),
        f'{AUTHORITY}is_test = "false"',
        f'{AUTHORITY}policies = "1.2.3"',
        'witness = "w"',
        'egresses = ["out"]',
        f'{EGRESS}hosts = ".onion"',
    ],
)
def test_a_value_of_another_type_is_refused(tmp_path, text):
    with pytest.raises(SettingsInvalid, match=r"in preserve.toml is .* It must be") as refused:
        loaded(tmp_path, text)

    assert next(key for key in SHAPE if key in text) in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        "audit_days = 0",
        "audit_days = 999999999999",
        "renew_before_days = 999999999999",
        "witness_quorum = -1",
        "time_quorum = 1",
        "[limits]\nlease_s = 99999999999999999999",
        "[airflow]\nport = 70000",
        "[airflow]\nparallelism = 9",
        '[airflow]\ndatabase_url = "mysql://h/airflow"',
        'database_url = "postgresql://h/d"\n[airflow]\ndatabase_url = "postgresql+psycopg://h/d"',
        '[replica]\nurl = "archive"',
        '[replica]\nurl = "archive/copy"',
        '[replica]\nurl = "."',
        '[storage]\nurl = "s3://b/a"\n[replica]\nurl = "s3://b/a/copy"',
        '[storage]\nurl = "s3:///a"',
        '[storage]\nurl = "elsewhere"\nretention_days = 10',
        '[storage]\nurl = "s3://b/a"\nendpoint = "nowhere"',
        AUTHORITY * 2,
        WITNESS * 2,
        EGRESS * 2,
        EGRESS.replace("out", "direct"),
        EGRESS.replace("1080", "108000"),
        AUTHORITY.replace("north", "../north", 1),
        AUTHORITY.replace("https:", "gopher:"),
        WITNESS.replace("https://w.example", "w.example"),
        'calendars = ["c.example"]',
        'user_agent = "a\\nb"',
    ],
)
def test_a_value_or_combination_that_cant_work_is_refused_with_a_remedy(tmp_path, text):
    with pytest.raises(SettingsInvalid) as refused:
        loaded(tmp_path, text)

    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ALOW_NETWORKS", "write PRESERVE_ALLOW_NETWORKS"),
        ("LIMIT_PAGE_WORKER", "write PRESERVE_LIMIT_PAGE_WORKERS"),
        ("AUDIT_DAYS", "give audit_days in preserve.toml"),
    ],
)
def test_a_variable_that_nothing_reads_is_refused(tmp_path, name, remedy):
    with pytest.raises(SettingsInvalid, match=remedy):
        loaded(tmp_path, **{name: "7"})


@pytest.mark.parametrize(
    "name", ["SERVICE_HOST", "DB_SERVICE_PORT", "DB_SERVICE_PORT_HTTP", "PORT", "DB_PORT_5432_TCP_ADDR"]
)
def test_what_kubernetes_tells_of_a_service_is_no_setting(tmp_path, name):
    assert loaded(tmp_path, **{name: "10.0.0.1"}).home == tmp_path


def test_a_password_in_a_way_out_isnt_shown(tmp_path):
    with pytest.raises(SettingsInvalid) as refused:
        loaded(tmp_path, EGRESS.replace("socks5://", "socks4://me:secret@"))

    assert "secret" not in str(refused.value)


def test_places_apart_are_taken(tmp_path):
    places = '[storage]\nurl = "s3://b/a"\n[replica]\nurl = "s3://b/ab"'

    assert loaded(tmp_path, places).replica.prefix == "ab"
    assert loaded(tmp_path, '[replica]\nurl = "s3://b/archive"').replica.bucket == "b"
    assert loaded(tmp_path, '[replica]\nurl = "archive-2"').replica.folder == tmp_path / "archive-2"


def test_a_new_home_can_be_loaded_and_a_mark_before_its_settings_is_no_harm(tmp_path):
    initialise(tmp_path)
    path = tmp_path / "preserve.toml"
    path.write_text(path.read_text("utf-8"), "utf-8-sig")

    assert load(tmp_path, {}).authorities[0].is_test


def test_the_page_lists_every_setting_and_every_variable():
    page = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))

    for key in SHAPE.keys() - {"log_origin"}:
        assert re.search(rf"[`\[]{key}[`\]]", table), key
    for name in VARIABLES - {f"LIMIT_{each.upper()}" for each in Limits.__slots__} - {"SUPERVISED"}:
        assert f"`PRESERVE_{name}`" in table, name


def test_every_setting_has_a_key():
    ours = {"home", "airflow_database_url", "airflow_port", "airflow_parallelism"}
    plurals = {"authorities": "authority", "witnesses": "witness"}
    names = {plurals.get(field.name, field.name) for field in fields(Settings)}

    assert names - ours - {"dags_folder", "plugins_folder"} == SHAPE.keys() - {"airflow"}
