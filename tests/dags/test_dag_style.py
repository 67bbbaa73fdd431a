"""DAG files are wiring: held without starting Airflow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

DAGS = sorted((Path(__file__).resolve().parents[2] / "dags").glob("*.py"))
TOP_IMPORTS = {"__future__", "datetime", "airflow.sdk", "dispositions"}
LOGIC = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.IfExp, ast.comprehension, ast.Match)


@pytest.fixture(params=DAGS, ids=lambda path: path.name)
def tree(request) -> ast.Module:
    return ast.parse(request.param.read_text("utf-8"))


def imports_of(nodes) -> set[str]:
    return {
        name
        for node in nodes
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }


def task_bodies(tree: ast.Module) -> list[ast.FunctionDef]:
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("step" in ast.dump(d) or "verdict" in ast.dump(d) for d in node.decorator_list)
    ]


def pipeline_calls(function: ast.FunctionDef) -> list[str]:
    return [
        node.func.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "pipeline"
    ]


def test_there_are_the_dags_that_the_documentation_names():
    names = {path.stem for path in DAGS}

    assert names == {
        "intake",
        "capture",
        "seal",
        "timestamp",
        "renew_timestamps",
        "cluster",
        "audit",
        "replicate",
    }


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.name)
def test_a_dag_file_is_at_most_120_lines(path):
    lines = path.read_text("utf-8").splitlines()

    assert len(lines) <= 120


def test_the_docstring_is_the_operators_page(tree):
    text = ast.get_docstring(tree) or ""

    assert "Safe to re-run:" in text
    assert "On failure:" in text


def test_a_dag_file_holds_no_logic(tree):
    found = [type(node).__name__ for node in ast.walk(tree) if isinstance(node, LOGIC)]

    assert found == []


def test_nothing_but_the_task_sdk_is_imported_at_parse_time(tree):
    assert imports_of(tree.body) <= TOP_IMPORTS


def test_a_task_body_is_three_lines_and_calls_one_function_of_the_pipeline(tree):
    bodies = task_bodies(tree)

    assert bodies
    for body in bodies:
        statements = body.body[1:]  # after the docstring
        assert len(statements) <= 3, body.name
        assert imports_of(ast.walk(body)) == {"preservation"}, body.name
        assert len(pipeline_calls(body)) == 1, body.name


def test_every_function_has_a_docstring(tree):
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]

    assert all(ast.get_docstring(function) for function in functions)
