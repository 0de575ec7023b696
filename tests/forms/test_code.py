"""Source code and sections: a line of a body brings the first line of what it stands in along."""

from __future__ import annotations

import inspect
import json

import pytest
from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms import passages as some_module
from autogen_ext_tokenctx.forms.line import join
from autogen_ext_tokenctx.forms.outline import text_lines
from tests.support.outlines import chain, extract

PYTHON = """\
import os

LIMIT = 3  # tries


@dataclass
class Cart(Base):
    '''What is bought.'''

    items: list

    @property
    def total(self) -> int:  # in cents

        return sum(self.items)

    async def send(
        self,
        to: str = "a:b",
    ) -> None:
        if to:
            await post(to)

print(Cart().total)"""

TYPESCRIPT = """\
import { a } from "b";

export default class Cart extends Base {
  private items: Item[] = [];

  async total(
    currency: string,
  ): Promise<number> {
    if (currency) {
      return convert(this.items);
    }
    return 0;
  }
}

export const send = async (to: string) => {
  await post(to);
};
send("x");"""

JAVA = """\
public final class Cart {
    @Override
    public int total(List<Item> items) throws X {
        for (Item item : items) {
            sum += item.price();
        }
        return sum;
    }
}"""

GO = """\
type Cart struct {
\tItems []Item
}

func (c *Cart) Total(ctx context.Context) (int, error) {
\tfor _, item := range c.Items {
\t\tsum += item.Price
\t}
\treturn sum, nil
}"""

CPP = """\
template <typename T>
class Cart {
public:
    int total() const {
        return sum_;
    }
private:
    int sum_;
};

static int send(const char *to)
{
    return post(to);
}"""

RUST = """\
impl Cart {
    pub fn total(&self) -> u32 {
        self.items.iter().sum()
    }
}"""

JEST = """\
describe("cart", () => {
  it("sums", () => {
    expect(total()).toBe(3);
  });
});"""

SWITCH = """\
if (late) {
  lost();
} else if (lost) {
  late();
} else {
  in_time();
}"""

MARKDOWN = """\
# Trip

Notes of the trip.

## Hotel

Harbour Inn

```python
# prices
def price():
    return 90
```

## Train
at 9:14"""

PYTEST = """\
=================================== FAILURES ===================================
__________________________________ test_total __________________________________
    def test_total():
>       assert total() == 3
E       assert 4 == 3
__________________________________ test_send ___________________________________
E       TimeoutError"""

DIFF = """\
diff --git a/cart.py b/cart.py
--- a/cart.py
+++ b/cart.py
@@ -1,3 +1,3 @@ class Cart:
-    limit = 3
+    limit = 4
@@ -9,2 +9,2 @@ def send(to):
-    post(to)
+    await post(to)"""


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        (PYTHON, "LIMIT", ["LIMIT = 3  # tries"]),
        (PYTHON, "items: list", ["class Cart(Base):", "    items: list"]),
        (
            PYTHON,
            "sum(self",
            ["class Cart(Base):", "    def total(self) -> int:  # in cents", "        return sum(self.items)"],
        ),
        (
            PYTHON,
            "await post",
            [
                "class Cart(Base):",
                "    async def send(",
                "    ) -> None:",
                "        if to:",
                "            await post(to)",
            ],
        ),
        (PYTHON, "print", ["print(Cart().total)"]),
        (
            TYPESCRIPT,
            "convert",
            [
                "export default class Cart extends Base {",
                "  async total(",
                "  ): Promise<number> {",
                "    if (currency) {",
                "      return convert(this.items);",
            ],
        ),
        (TYPESCRIPT, "post(", ["export const send = async (to: string) => {", "  await post(to);"]),
        (TYPESCRIPT, 'send("x")', ['send("x");']),
        (
            JAVA,
            "price()",
            [
                "public final class Cart {",
                "    public int total(List<Item> items) throws X {",
                "        for (Item item : items) {",
                "            sum += item.price();",
            ],
        ),
        (GO, "Items []", ["type Cart struct {", "\tItems []Item"]),
        (
            GO,
            "item.Price",
            [
                "func (c *Cart) Total(ctx context.Context) (int, error) {",
                "\tfor _, item := range c.Items {",
                "\t\tsum += item.Price",
            ],
        ),
        (CPP, "return sum_", ["class Cart {", "public:", "    int total() const {", "        return sum_;"]),
        (CPP, "int sum_", ["class Cart {", "private:", "    int sum_;"]),
        (CPP, "post", ["static int send(const char *to)", "    return post(to);"]),
        (RUST, "iter()", ["impl Cart {", "    pub fn total(&self) -> u32 {", "        self.items.iter().sum()"]),
        (JEST, "toBe(3)", ['describe("cart", () => {', '  it("sums", () => {', "    expect(total()).toBe(3);"]),
        (SWITCH, "late(", ["if (late) {", "} else if (lost) {", "  late();"]),
        (SWITCH, "in_time", ["if (late) {", "} else {", "  in_time();"]),
        (MARKDOWN, "Harbour", ["# Trip", "## Hotel", "Harbour Inn"]),
        (MARKDOWN, "return 90", ["# Trip", "## Hotel", "def price():", "    return 90"]),
        (MARKDOWN, "Notes", ["# Trip", "Notes of the trip."]),
        (MARKDOWN, "9:14", ["# Trip", "## Train", "at 9:14"]),
        (
            PYTEST,
            "assert 4",
            [
                "__________________________________ test_total __________________________________",
                "E       assert 4 == 3",
            ],
        ),
        (
            DIFF,
            "limit = 4",
            [
                "@@ -1,3 +1,3 @@ class Cart:",
                "+    limit = 4",
            ],
        ),
    ],
)
def test_an_extract_has_the_lines_it_stands_in_and_headings(text: str, asked: str, kept: list[str]) -> None:
    assert [row for row in extract(text, asked).split("\n") if row != "…"] == kept


@pytest.mark.parametrize("number", ["{:6}\t{}", "{}: {}", "{:>4} | {}", "{:>5}→{}"])
def test_rows_with_numbers_are_read_as_well(number: str) -> None:
    text = "Content of cart.py:\n" + "\n".join(number.format(n, row) for n, row in enumerate(PYTHON.split("\n"), 1))
    assert [row for row in extract(text, "sum(self").split("\n") if row != "…"] == [
        number.format(7, "class Cart(Base):"),
        number.format(13, "    def total(self) -> int:  # in cents"),
        number.format(15, "        return sum(self.items)"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "To do:\n- call Ann (at noon)\n- write the function\n\nThat is all.",
        "[server]\n# where it listens\nport: 80\n# and the client\nport: 81",
    ],
)
def test_what_is_not_clearly_code_stays_as_it_is(text: str) -> None:
    lines = text_lines(text)
    assert [line.text for line in lines] == [row for row in text.split("\n") if row]
    assert {line.header for line in lines} == {-1}


@pytest.mark.parametrize("text", [inspect.getsource(some_module), inspect.getsource(json), inspect.getsource(st)])
def test_sources_are_all_there(text: str) -> None:
    lines = text_lines(text)
    assert join(lines).split() == text.split()
    assert all(line.header < number for number, line in enumerate(lines))


PARTS = st.sampled_from(
    [
        "class A{n}:", "def f{n}(", "    def g{n}(self):", "):", "@cached", "    x{n} = 1", "function h{n}() {{", "}}",
        "  }});", "# note {n}", "## part {n}", "```", "", "", "text {n}", "___ test_{n} ___",
        "Traceback (most recent call last):", '  File "a{n}.py", line {n}, in f', "    call{n}()", "KeyError: {n}",
        "\tat a.B{n}(B.java:{n})", "Caused by: E{n}", "goroutine {n} [running]:", "main.f{n}()", "\tmain.go:{n} +0x1",
        "thread 't{n}' panicked at a:", "   {n}: f", "             at ./a.rs:{n}", "panic: {n}", "@@ -{n} +1 @@",
        "--- a/{n}", "+ x", "public:", "{{", "long {n}. " * 60, "word{n}" * 90,
    ]
)  # fmt: skip


@given(st.lists(PARTS, max_size=40))
def test_any_mixture_is_all_there_and_no_line_needs_itself(parts: list[str]) -> None:
    text = "\n".join(f"{part.format(n=n)}" for n, part in enumerate(parts))
    lines = text_lines(text)
    assert join(lines).split() == text.split()
    assert all(chain(lines, number) for number in range(len(lines)))


async def test_the_signature_is_in_the_view_of_a_large_file() -> None:
    names = [f"{one}{two}{three}" for one in "bdfglmnprs" for two in "aeiou" for three in "klmnprst"]
    functions = [
        f"def {name}(order, basket):\n    first = basket.{name}\n    order.add(first)\n    return order.price\n"
        for name in names
    ]
    functions[222] = (
        "def freight(order, basket):\n    weight = basket.weight\n    return weight * RATE_PER_KILO + 4.90\n"
    )
    call = FunctionCall(id="1", name="read_file", arguments='{"path": "steps.py"}')
    read = FunctionExecutionResult(call_id="1", name="read_file", content="\n".join(functions), is_error=False)
    history: list[LLMMessage] = [
        UserMessage(content="Where does RATE_PER_KILO enter?", source="user"),
        AssistantMessage(content=[call], source="coder"),
        FunctionExecutionResultMessage(content=[read]),
    ]
    shown = str((await ContextManager().fit(history, 400)).messages[-1])
    assert "return weight * RATE_PER_KILO + 4.90" in shown
    assert "def freight(order, basket):" in shown
