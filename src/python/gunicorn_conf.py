"""Evaluates a gunicorn.conf.py as gunicorn does, for `monopod explain`; read by gunicorn_conf.rs."""

import ast
import contextlib
import importlib.machinery
import sys
import types


def places(text, name):
    """Name -> (line, whether what is assigned is written out there), and the names that imports bring."""
    found, imported = {}, set()

    def visit(statements):
        for statement in statements:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found[statement.name] = (statement.lineno, True)
                continue
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for alias in statement.names:
                    bound = alias.asname or alias.name.split(".")[0]
                    imported.add(bound)
                    found[bound] = (statement.lineno, True)
                continue
            targets, value = [], getattr(statement, "value", None)
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
                targets = [statement.target]
            for target in targets:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        plain = not isinstance(statement, ast.AugAssign) and is_plain(value)
                        found[node.id] = (statement.lineno, plain and node is target)
            for part in ("body", "orelse", "finalbody"):
                visit(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                visit(handler.body)

    visit(ast.parse(text, name).body)
    return found, imported


def is_plain(value):
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        # A function is nothing that another machine computes otherwise.
        return isinstance(value, ast.Lambda)
    return True


def shown(value):
    """Its kind, and the values as text."""
    if value is None:
        return "none", []
    if isinstance(value, (bool, int, float, str)):
        return "plain", [str(value)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return "plain", [str(item) for item in value]
    if isinstance(value, dict):
        return "table", [str(key) for key in value]
    if callable(value):
        return "callable", [getattr(value, "__name__", type(value).__name__)]
    return "plain", [str(value)]


def evaluate(name, text, directory):
    """Runs the file; a list of (name, kind, values, line or 0, computed) in the order of the file."""
    found, imported = places(text, name)
    sys.path.insert(0, directory)
    module = types.ModuleType("__config__")
    module.__file__ = name
    module.__spec__ = importlib.machinery.ModuleSpec("__config__", None, origin=name)
    sys.modules["__config__"] = module
    # The operator's own file. What it prints is not a part of the report.
    with contextlib.redirect_stdout(sys.stderr):
        exec(compile(text, name, "exec"), vars(module))
    result = []
    for key, value in vars(module).items():
        if key.startswith("__") or isinstance(value, types.ModuleType):
            continue
        line, plain = found.get(key, (0, False))
        kind, values = shown(value)
        if key in imported:
            kind = "imported " + kind
        result.append((key, kind, values, line, not plain))
    result.sort(key=lambda row: row[3])
    return result
