"""Questions about failing runs: small programs and test suites are written to a folder and really run.

Python, pytest and unittest always run; compilers and node where they are installed. What differs from one run to the
next (folders, durations, addresses) is replaced, so that two runs on one machine give the same text.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from textwrap import dedent, indent

from tests.benchmarks.cases.case import Case
from tests.benchmarks.cases.project import NOUNS, Project


def failing_runs(kinds: Collection[str] = ()) -> list[Case]:
    """Return the cases of all makers whose tool is installed.

    Args:
        kinds: The kinds to run; all where none is named.
    """
    cases: list[Case] = []
    for kind, (tool, count, maker) in _KINDS.items():
        if (kinds and kind not in kinds) or (tool and shutil.which(tool) is None):
            continue
        for number in range(count):
            with tempfile.TemporaryDirectory() as folder:
                cases.append(maker(kind, number, Project(Path(folder).resolve(), random.Random(f"{kind}{number}"))))
    return cases


_FAULTS = (
    ("int(row['{noun}_no'])", "ValueError: invalid literal for int() with base 10: 'N{n}'"),
    ("PRICES[row['{noun}_no']]", "KeyError: 'N{n}'"),
    ("len(row['{noun}_no'] + {n})", 'TypeError: can only concatenate str (not "int") to str'),
    ("json.loads(row['{noun}_no'])", "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
    ("Decimal(row['{noun}_no']) / 0", "decimal.InvalidOperation: [<class 'decimal.ConversionSyntax'>]"),
    ("row['{noun}_no'].items()", "AttributeError: 'str' object has no attribute 'items'"),
    ("list(row['{noun}_no'])[{n}]", "IndexError: list index out of range"),
    ("datetime.fromisoformat(row['{noun}_no'])", "ValueError: Invalid isoformat string: 'N{n}'"),
)
"""An expression that fails, and what Python says then."""


def _module(project: Project, functions: Sequence[tuple[str, str]], chained: bool = False) -> str:
    """A module of functions, each of which calls an inner one with the expression that fails."""
    parts = [
        "import json\nfrom datetime import datetime\nfrom decimal import Decimal\n\nPRICES = {}\n\n"
        "class BatchError(Exception):\n    pass\n"
    ]
    for name, expression in functions:
        inner = f"def _{name}(row):\n    value = {expression}\n    return value\n"
        if chained:
            body = (
                f"    try:\n        return _{name}(row)\n    except Exception as error:\n"
                f"        raise BatchError('{name} failed for ' + row['{name.split('_')[1]}_no']) from error\n"
            )
        else:
            body = f"    first = _{name}(row)\n    return first\n"
        parts.append(f"{inner}\n\ndef {name}(row):\n{body}")
    return "\n\n".join(parts)


def _program(project: Project, chained: bool = False, group: bool = False) -> tuple[list[str], list[int], str, str]:
    """A program that logs its work, and the traces of five jobs that fail; names, numbers, faults and output."""
    names = project.names(5)
    numbers = [project.rng.randrange(1_000, 9_000) for _ in names]
    faults = [_FAULTS[n] for n in project.rng.sample(range(len(_FAULTS)), 5)]
    project.write(
        "app/jobs.py",
        _module(
            project,
            [
                (name, fault.format(noun=name.split("_")[1], n=number))
                for name, number, (fault, _) in zip(names, numbers, faults, strict=True)
            ],
            chained,
        ),
    )
    project.write("app/__init__.py", "")
    calls = ", ".join(
        f"({60 * n + 37}, jobs.{name}, {{'{name.split('_')[1]}_no': 'N{number}'}})"
        for n, (name, number) in enumerate(zip(names, numbers, strict=True))
    )
    failing = (
        "raise ExceptionGroup('batch %d failed' % step, errors)" if group else "log.exception('job %d failed', step)"
    )
    project.write(
        "main.py",
        dedent(f"""\
        import logging, sys
        from app import jobs
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
        log = logging.getLogger("batch")
        WORDS = {project.rng.sample(NOUNS, 12)!r}

        def work(step, job, row):
            errors = []
            try:
                job(row)
            except Exception as error:
                errors.append(error)
                {failing}

        plan = {{step: (job, row) for step, job, row in [{calls}]}}
        for step in range(340):
            word = WORDS[step * 7 % 12]
            log.info("step %d: %s %d of tenant %d is done", step, word, step * 37 % 911, step * 13 % 17)
            if step % 9 == 4:
                log.warning("slow answer of the %s service: %d ms", word, step * 53 % 977 + 100)
            if step in plan:
                try:
                    work(step, *plan[step])
                except Exception:
                    log.exception("work on step %d", step)
        """),
    )
    faults_text = [text.format(n=number) for (_, text), number in zip(faults, numbers, strict=True)]
    return names, numbers, "\n".join(faults_text), project.run(sys.executable, "main.py")


def _trace(kind: str, number: int, project: Project) -> Case:
    names, numbers, faults, text = _program(project, chained=kind == "chained", group=kind == "group")
    chosen = number % 5
    name, fault = names[chosen], faults.split("\n")[chosen]
    margin = r"^[ |]*"
    patterns = [
        rf'{margin}  File "/project/app/jobs.py", line \d+, in _{name}\n{margin}    value = .*',
        rf"{margin}{re.escape(fault)}$",
    ]
    if kind == "chained":
        patterns.append(rf"^app.jobs.BatchError: {name} failed for N{numbers[chosen]}")
    question = f"Why does {name} fail, and where?"
    return project.case(f"{kind} {number}", kind, "python main.py", text, question, *patterns)


def _suite(project: Project, unittest: bool) -> tuple[str, str, str]:
    """A test file of 36 tests with 6 that fail; the name of one, its expression, and the file."""
    names = project.names(36)
    failing = set(project.rng.sample(names, 6))
    rows = ["import unittest\n"] if unittest else []
    rows += [
        f"def {name}(x):\n    factor = {n % 7 + 2}\n    return {{'total': x * factor, 'unit': '{name[-3:]}'}}\n"
        for n, name in enumerate(names)
    ]
    tests: list[str] = []
    for n, name in enumerate(names):
        want = (n + 3) * (n % 7 + 2) + (n + 1) * (name in failing)
        if unittest:
            tests.append(
                f"def test_{name}(self):\n    found = {name}({n + 3})\n    self.assertEqual(found['total'], {want})\n"
            )
        else:
            tests.append(f"def test_{name}():\n    found = {name}({n + 3})\n    assert found['total'] == {want}\n")
    body = "\n".join(tests)
    rows.append("class Totals(unittest.TestCase):\n" + indent(body, "    ") if unittest else body)
    project.write("test_totals.py", "\n\n".join(rows))
    chosen = sorted(failing)[project.rng.randrange(6)]
    place = names.index(chosen)
    got, want = (place + 3) * (place % 7 + 2), (place + 3) * (place % 7 + 2) + place + 1
    return chosen, str(got), str(want)


def _pytest(kind: str, number: int, project: Project) -> Case:
    name, got, want = _suite(project, unittest=False)
    colour = "yes" if kind == "coloured" else "no"
    command = ("-m", "pytest", "-v", "-p", "no:cacheprovider", f"--color={colour}", "test_totals.py")
    text = project.run(sys.executable, *command)
    return project.case(
        f"{kind} {number}", kind, "pytest -v", text, f"Why does test_{name} fail, and where?",
        rf"^_+ test_{name} _+$",
        rf"^>       assert found\['total'\] == {want}\nE       assert {got} == {want}",
    )  # fmt: skip


def _unittest(kind: str, number: int, project: Project) -> Case:
    name, got, want = _suite(project, unittest=True)
    text = project.run(sys.executable, "-m", "unittest", "-v", "test_totals")
    return project.case(
        f"{kind} {number}", kind, "python -m unittest -v", text, f"Why does test_{name} fail, and where?",
        rf'^  File "/project/test_totals.py", line \d+, in test_{name}\n    self.assertEqual.*',
        rf"^AssertionError: {got} != {want}$",
    )  # fmt: skip


def _gcc(kind: str, number: int, project: Project) -> Case:
    names = project.names(40)
    failing = project.rng.sample(names, 4)
    faults = (
        ("int x = row->weight;", "has no member named ‘weight’|has no member named 'weight'"),
        ("return total_of(row, 1, 2);", "too many arguments to function"),
        ("const int cap = 3; cap = row->size;", "assignment of read-only variable"),
        ("return row + 1.5;", "invalid operands to binary"),
    )
    for n, name in enumerate(names):
        fault = faults[failing.index(name)][0] if name in failing else "int twice = total_of(row);"
        project.write(
            f"src/{name}.c",
            "struct row { int size; int kind; };\nint total_of(struct row *row);\n\n"
            f"int {name}(struct row *row)\n{{\n    int unused_{n} = {n};\n    {fault}\n    return row->size;\n}}\n",
        )
    objects = " ".join(f"build/{name}.o" for name in names)
    project.write(
        "Makefile",
        f"all: {objects}\n\nbuild/%.o: src/%.c\n\t@mkdir -p build\n\tcc -Wall -fsyntax-only -c $< -o $@\n",
    )
    text = project.run("make", "-k")
    chosen = number % 4
    name = failing[chosen]
    return project.case(
        f"{kind} {number}", kind, "make -k", text, f"Why does {name}.c not compile, and where?",
        rf"^src/{name}\.c: In function .*",
        rf"^src/{name}\.c:7:\d+: error: .*(?:{faults[chosen][1]}).*\n.*",
    )  # fmt: skip


def _node(kind: str, number: int, project: Project) -> Case:
    names = project.names(6)
    failing = ("null.size", "undefinedName", "[].at(0).size", "JSON.parse('{')", "new Array(-1)", "row.size()")
    says = (
        "TypeError: Cannot read properties of null", "ReferenceError: undefinedName is not defined",
        "TypeError: Cannot read properties of undefined", "SyntaxError: Expected property name",
        "RangeError: Invalid array", "TypeError: row.size is not a function",
    )  # fmt: skip
    functions = "\n".join(
        f"function _{name}(row) {{\n  const value = {fault};\n  return value;\n}}\n"
        f"function {name}(row) {{\n  return _{name}(row);\n}}"
        for name, fault in zip(names, failing, strict=True)
    )
    project.write(
        "main.js",
        f"{functions}\nconst jobs = [{', '.join(names)}];\n"
        + dedent("""\
        for (let step = 0; step < 300; step++) {
          console.log(`info step ${step}: row ${step * 37 % 911} of tenant ${step * 13 % 17} is done`);
          if (step % 50 === 31) {
            try { jobs[(step - 31) / 50]({ size: 3 }); } catch (error) { console.log(error.stack); }
          }
        }
        """),
    )
    text = project.run("node", "main.js")
    chosen = number % 6
    return project.case(
        f"{kind} {number}", kind, "node main.js", text, f"Why does {names[chosen]} fail, and where?",
        rf"^{re.escape(says[chosen])}.*", rf"^    at _{names[chosen]} \(/project/main.js.*",
    )  # fmt: skip


def _java(kind: str, number: int, project: Project) -> Case:
    names = project.names(5)
    faults = (
        ("Integer.parseInt(row)", "java.lang.NumberFormatException: For input string"),
        ("row.substring(99)", "java.lang.StringIndexOutOfBoundsException"),
        ("new int[2][row.length() - 9]", "java.lang.NegativeArraySizeException"),
        ("java.util.List.of(row).get(4)", "java.lang.IndexOutOfBoundsException"),
        ("java.time.LocalDate.parse(row)", "java.time.format.DateTimeParseException"),
    )
    functions = "\n".join(
        f"    static Object {name}(String row) {{\n        return {fault};\n    }}"
        for name, (fault, _) in zip(names, faults, strict=True)
    )
    cases = "\n".join(f"                    case {60 * n + 37} -> {name}(row);" for n, name in enumerate(names))
    project.write(
        "Main.java",
        f"public class Main {{\n{functions}\n"
        + dedent("""\
            static void work(int step, String row) {
                try {
                    Object done = switch (step) {
        CASES
                        default -> row;
                    };
                } catch (RuntimeException error) {
                    error.printStackTrace(System.out);
                }
            }

            public static void main(String[] args) {
                for (int step = 0; step < 320; step++) {
                    System.out.println("INFO step " + step + ": row " + step * 37 % 911 + " is done");
                    work(step, "N" + step);
                }
            }
        }
        """).replace("CASES", cases),
    )
    text = project.run("java", "Main.java")
    chosen = number % 5
    return project.case(
        f"{kind} {number}", kind, "java Main.java", text, f"Why does {names[chosen]} fail, and where?",
        rf"^{re.escape(faults[chosen][1])}.*", rf"^\tat Main\.{names[chosen]}\(Main.java:\d+\)",
    )  # fmt: skip


def _polls(kind: str, number: int, project: Project) -> Case:
    """Some services are waited for, one line a second; one does not come up."""
    names = project.names(6)
    project.write(
        "wait.py",
        dedent(f"""\
        import datetime, random
        rng = random.Random({number})
        now = datetime.datetime(2024, 5, 17, 8)
        for n, name in enumerate({names!r}):
            for _ in range(rng.randrange(60, 140)):
                now += datetime.timedelta(seconds=1)
                print(f"{{now}} INFO {{name}}: not ready after {{rng.randrange(1, 9)}}ms, trying again")
            state = f"refused by port {{8000 + 13 * n}}" if n == {number % 6} else f"ready on port {{8000 + 13 * n}}"
            print(f"{{now}} {{'ERROR' if n == {number % 6} else 'INFO'}} {{name}}: {{state}}")
            for row in range(25):
                print(f"{{name}} row {{row * 37 % 101}} of table {{rng.randrange(99)}}: {{rng.randrange(999)}} entries")
        """),
    )
    text = project.run(sys.executable, "wait.py")
    name = names[number % 6]
    question = f"What happened to {name} in the end?"
    return project.case(f"{kind} {number}", kind, "python wait.py", text, question, rf"^.* ERROR {name}: refused by.*")


def _bars(kind: str, number: int, project: Project) -> Case:
    """Files are fetched with a bar each that is written over; one of them is cut off."""
    names = project.names(24)
    broken = names[number * 5 % 24]
    project.write(
        "fetch.py",
        dedent(f"""\
        for n, name in enumerate({names!r}):
            print(f"\\x1b[1mFetching\\x1b[0m {{name}}.tar from mirror {{n * 7 % 5}}")
            for done in range(0, 101, 2):
                if name == {broken!r} and done > 60:
                    print(f"\\n\\x1b[31merror\\x1b[0m: {{name}}.tar ended after {{done * 4101}} of 410100 bytes")
                    break
                print(f"\\r{{done:3}}%|{{'#' * (done // 5):20}}| {{done * 41}}/4100 kB [00:{{done // 10:02}}]", end="")
            print(f"\\nfinished {{name}}.tar in state {{n * 53 % 89}}")
        """),
    )
    text = project.run(sys.executable, "fetch.py")
    question = f"What went wrong with {broken}.tar?"
    return project.case(f"{kind} {number}", kind, "python fetch.py", text, question, rf"^error: {broken}.tar ended.*")


_KINDS: dict[str, tuple[str, int, Callable[[str, int, Project], Case]]] = {
    "traceback": ("", 8, _trace),
    "chained": ("", 7, _trace),
    "group": ("", 4, _trace),
    "pytest": ("", 8, _pytest),
    "coloured": ("", 4, _pytest),
    "unittest": ("", 6, _unittest),
    "make": ("gcc", 6, _gcc),
    "node": ("node", 6, _node),
    "java": ("javac", 4, _java),
    "polls": ("", 6, _polls),
    "bars": ("", 5, _bars),
}
"""By kind: the tool that has to be installed, how many cases, and what makes one."""
