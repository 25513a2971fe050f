"""Edits of small projects: what is replaced by what, and whether the answer of ``f(3)`` changes.

Each case is ``name: (files, old text, new text)``; the text is replaced in whichever file has it.
"""

from __future__ import annotations

HEAD = "import fleche_like as fl\n"


def main(text: str) -> str:
    return HEAD + text


CALLS_HELPER = """
@fl.memoize
def f(x):
    return helper(x)
"""

CHANGES: dict[str, tuple[dict[str, str], str, str]] = {
    "helper": ({"main": main("def helper(x):\n    return x + 1\n" + CALLS_HELPER)}, "x + 1", "x + 2"),
    "helper of a helper": (
        {"main": main("def inner(x):\n    return x + 1\ndef helper(x):\n    return inner(x)\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
    "helpers that call each other": (
        {"main": main(
            "def odd(n):\n    return n > 0 and even(n - 1)\n"
            "def even(n):\n    return n == 0 or odd(n - 1)\n"
            "@fl.memoize\ndef f(x):\n    return even(x)\n")},
        "return n > 0 and even(n - 1)", "return n <= 0 or even(n - 1)",
    ),
    "default of a helper": (
        {"main": main("def helper(x, by=1):\n    return x + by\n" + CALLS_HELPER)}, "by=1", "by=2",
    ),
    "keyword default of a helper": (
        {"main": main("def helper(x, *, by=1):\n    return x + by\n" + CALLS_HELPER)}, "by=1", "by=2",
    ),
    "global that a helper reads": (
        {"main": main("K = 1\ndef helper(x):\n    return x + K\n" + CALLS_HELPER)}, "K = 1", "K = 2",
    ),
    "imported helper": (
        {"main": main("from lib import helper\n" + CALLS_HELPER), "lib": "def helper(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "helper of a module": (
        {"main": main("import lib\n@fl.memoize\ndef f(x):\n    return lib.helper(x)\n"),
         "lib": "def helper(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "helper of a package's module": (
        {"main": main("import pkg.lib\n@fl.memoize\ndef f(x):\n    return pkg.lib.helper(x)\n"),
         "pkg.__init__": "", "pkg.lib": "def helper(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "value of a module": (
        {"main": main("import lib\n@fl.memoize\ndef f(x):\n    return x + lib.K\n"), "lib": "K = 1\n"},
        "K = 1", "K = 2",
    ),
    "import in the body": (
        {"main": main("@fl.memoize\ndef f(x):\n    from lib import helper\n    return helper(x)\n"),
         "lib": "def helper(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "module imported in the body": (
        {"main": main("@fl.memoize\ndef f(x):\n    import pkg.lib as l\n    return l.helper(x)\n"),
         "pkg.__init__": "", "pkg.lib": "def helper(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "relative import in the body of a helper": (
        {"main": main("from pkg.a import helper\n" + CALLS_HELPER), "pkg.__init__": "",
         "pkg.a": "def helper(x):\n    from .b import inner\n    return inner(x)\n",
         "pkg.b": "def inner(x):\n    return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "helper in a dict": (
        {"main": main("def a(x):\n    return x + 1\nTABLE = {'a': a}\n"
                      "@fl.memoize\ndef f(x):\n    return TABLE['a'](x)\n")},
        "x + 1", "x + 2",
    ),
    "helper of a helper in a dict": (
        {"main": main("def b(x):\n    return x + 1\ndef a(x):\n    return b(x)\nTABLE = {'k': [a]}\n"
                      "@fl.memoize\ndef f(x):\n    return TABLE['k'][0](x)\n")},
        "x + 1", "x + 2",
    ),
    "which helper a dict holds": (
        {"main": main("def a(x):\n    return x + 1\ndef b(x):\n    return x + 2\nTABLE = {'a': a}\n"
                      "@fl.memoize\ndef f(x):\n    return TABLE['a'](x)\n")},
        "{'a': a}", "{'a': b}",
    ),
    "decorator of a helper": (
        {"main": main("import functools\ndef twice(g):\n    @functools.wraps(g)\n    def w(x):\n"
                      "        return g(x) * 2\n    return w\n@twice\ndef helper(x):\n    return x\n" + CALLS_HELPER)},
        "g(x) * 2", "g(x) * 3",
    ),
    "decorated helper": (
        {"main": main("import functools\ndef same(g):\n    @functools.wraps(g)\n    def w(x):\n"
                      "        return g(x)\n    return w\n@same\ndef helper(x):\n    return x + 1\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
    "setting of a decorator": (
        {"main": main("def by(n):\n    def d(g):\n        def w(x):\n            return g(x) * n\n        return w\n"
                      "    return d\n@by(2)\ndef helper(x):\n    return x\n" + CALLS_HELPER)},
        "@by(2)", "@by(3)",
    ),
    "decorator of the function itself": (
        {"main": main("def same(g):\n    def w(x):\n        return g(x) + 1\n    return w\n"
                      "@fl.memoize\n@same\ndef f(x):\n    return x\n")},
        "g(x) + 1", "g(x) + 2",
    ),
    "helper under lru_cache": (
        {"main": main("import functools\n@functools.lru_cache\ndef helper(x):\n    return x + 1\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
    "helper under a context manager": (
        {"main": main("import contextlib\n@contextlib.contextmanager\ndef helper(x):\n    yield x + 1\n"
                      "@fl.memoize\ndef f(x):\n    with helper(x) as y:\n        return y\n")},
        "x + 1", "x + 2",
    ),
    "singledispatch": (
        {"main": main("import functools\n@functools.singledispatch\ndef helper(x):\n    return 0\n"
                      "@helper.register\ndef _(x: int):\n    return x + 1\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
    "partial": (
        {"main": main("import functools\ndef add(a, b):\n    return a + b\nhelper = functools.partial(add, 1)\n" + CALLS_HELPER)},
        "partial(add, 1)", "partial(add, 2)",
    ),
    "function of a partial": (
        {"main": main("import functools\ndef add(a, b):\n    return a + b\nhelper = functools.partial(add, 1)\n" + CALLS_HELPER)},
        "a + b", "a - b",
    ),
    "memoized helper": (
        {"main": main("@fl.memoize\ndef helper(x):\n    return x + 1\n" + CALLS_HELPER)}, "x + 1", "x + 2",
    ),
    "helper of a memoized helper": (
        {"main": main("def inner(x):\n    return x + 1\n@fl.memoize\ndef helper(x):\n    return inner(x)\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
    "version of a memoized helper": (
        {"main": main("K = 1\n@fl.memoize(code='none', version=K)\ndef helper(x):\n    return x + K\n"
                      "@fl.memoize\ndef f(x):\n    return helper(x)\n")},
        "K = 1", "K = 2",
    ),
    "lambda": ({"main": main("helper = lambda x: x + 1\n" + CALLS_HELPER)}, "x + 1", "x + 2"),
    "closure of a factory": (
        {"main": main("def make(k):\n    def add(x):\n        return x + k\n    return add\nhelper = make(1)\n" + CALLS_HELPER)},
        "make(1)", "make(2)",
    ),
    "which of two closures": (
        {"main": main("def make(k):\n    def add(x):\n        return x + k\n    return add\na = make(1)\nb = make(2)\n"
                      "@fl.memoize\ndef f(x):\n    return a(x) * 10 + b(x)\n")},
        "a(x) * 10 + b(x)", "b(x) * 10 + a(x)",
    ),
    "closures swapped": (
        {"main": main("def make(k):\n    def add(x):\n        return x + k\n    return add\na, b = make(1), make(2)\n"
                      "@fl.memoize\ndef f(x):\n    return a(x) * 10 + b(x)\n")},
        "a, b =", "b, a =",
    ),
    "functions made in a loop": (
        {"main": main("ALL = []\nfor k in (1, 2):\n    ALL.append(lambda x, k=k: x + k)\n"
                      "@fl.memoize\ndef f(x):\n    return [each(x) for each in ALL]\n")},
        "(1, 2)", "(1, 3)",
    ),
    "method": (
        {"main": main("class C:\n    def go(self, x):\n        return x + 1\n@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "x + 1", "x + 2",
    ),
    "method that a method calls": (
        {"main": main("class C:\n    def go(self, x):\n        return self._go(x)\n    def _go(self, x):\n        return x + 1\n"
                      "@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "x + 1", "x + 2",
    ),
    "inherited method": (
        {"main": main("from base import B\nclass C(B):\n    pass\n@fl.memoize\ndef f(x):\n    return C().go(x)\n"),
         "base": "class B:\n    def go(self, x):\n        return x + 1\n"},
        "x + 1", "x + 2",
    ),
    "method through super()": (
        {"main": main("class B:\n    def go(self, x):\n        return x + 1\nclass C(B):\n    def go(self, x):\n"
                      "        return super().go(x) * 2\n@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "x + 1", "x + 2",
    ),
    "base class": (
        {"main": main("class A:\n    def go(self, x):\n        return 1\nclass B:\n    def go(self, x):\n        return 2\n"
                      "class C(A):\n    pass\n@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "class C(A)", "class C(B)",
    ),
    "static method": (
        {"main": main("class C:\n    @staticmethod\n    def go(x):\n        return x + 1\n@fl.memoize\ndef f(x):\n    return C.go(x)\n")},
        "x + 1", "x + 2",
    ),
    "class method": (
        {"main": main("class C:\n    @classmethod\n    def go(cls, x):\n        return x + 1\n@fl.memoize\ndef f(x):\n    return C.go(x)\n")},
        "x + 1", "x + 2",
    ),
    "property": (
        {"main": main("class C:\n    @property\n    def one(self):\n        return 1\n@fl.memoize\ndef f(x):\n    return x + C().one\n")},
        "return 1", "return 2",
    ),
    "cached property": (
        {"main": main("import functools\nclass C:\n    @functools.cached_property\n    def one(self):\n        return 1\n"
                      "@fl.memoize\ndef f(x):\n    return x + C().one\n")},
        "return 1", "return 2",
    ),
    "partial method": (
        {"main": main("import functools\nclass C:\n    def go(self, k, x):\n        return x + k\n"
                      "    one = functools.partialmethod(go, 1)\n@fl.memoize\ndef f(x):\n    return C().one(x)\n")},
        "(go, 1)", "(go, 2)",
    ),
    "class attribute": (
        {"main": main("class C:\n    k = 1\n    def go(self, x):\n        return x + self.k\n@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "k = 1", "k = 2",
    ),
    "mutable class attribute": (
        {"main": main("class C:\n    table = {'k': [1]}\n@fl.memoize\ndef f(x):\n    return x + C.table['k'][0]\n")},
        "[1]", "[2]",
    ),
    "default of a dataclass' field": (
        {"main": main("import dataclasses\n@dataclasses.dataclass\nclass C:\n    k: int = 1\n@fl.memoize\ndef f(x):\n    return x + C().k\n")},
        "k: int = 1", "k: int = 2",
    ),
    "factory of a dataclass' field": (
        {"main": main("import dataclasses\ndef made():\n    return [1]\n@dataclasses.dataclass\nclass C:\n"
                      "    k: list = dataclasses.field(default_factory=made)\n@fl.memoize\ndef f(x):\n    return x + C().k[0]\n")},
        "[1]", "[2]",
    ),
    "order of a dataclass' fields": (
        {"main": main("import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int\n    b: int\n"
                      "@fl.memoize\ndef f(x):\n    return C(x, 1).a\n")},
        "    a: int\n    b: int\n", "    b: int\n    a: int\n",
    ),
    "method of a dataclass": (
        {"main": main("import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int\n    def go(self):\n        return self.a + 1\n"
                      "@fl.memoize\ndef f(x):\n    return C(x).go()\n")},
        "self.a + 1", "self.a + 2",
    ),
    "value of an enumeration": (
        {"main": main("import enum\nclass E(enum.Enum):\n    A = 1\n@fl.memoize\ndef f(x):\n    return x + E.A.value\n")},
        "A = 1", "A = 2",
    ),
    "method of an enumeration": (
        {"main": main("import enum\nclass E(enum.Enum):\n    A = 1\n    def __str__(self):\n        return 'a'\n"
                      "@fl.memoize\ndef f(x):\n    return str(E.A)\n")},
        "'a'", "'b'",
    ),
    "named tuple": (
        {"main": main("import typing\nclass C(typing.NamedTuple):\n    a: int\n    b: int = 1\n@fl.memoize\ndef f(x):\n    return C(x).b\n")},
        "b: int = 1", "b: int = 2",
    ),
    "metaclass": (
        {"main": main("class M(type):\n    def __call__(cls, x):\n        return x + 1\nclass C(metaclass=M):\n    pass\n"
                      "@fl.memoize\ndef f(x):\n    return C(x)\n")},
        "x + 1", "x + 2",
    ),
    "method of a captured instance": (
        {"main": main("class C:\n    def go(self, x):\n        return x + 1\nTHE = C()\n@fl.memoize\ndef f(x):\n    return THE.go(x)\n")},
        "x + 1", "x + 2",
    ),
    "state of a captured instance": (
        {"main": main("class C:\n    def __init__(self, k):\n        self.k = k\nTHE = C(1)\n@fl.memoize\ndef f(x):\n    return x + THE.k\n")},
        "C(1)", "C(2)",
    ),
    "callable instance": (
        {"main": main("class C:\n    def __call__(self, x):\n        return x + 1\nhelper = C()\n" + CALLS_HELPER)}, "x + 1", "x + 2",
    ),
    "bound method": (
        {"main": main("class C:\n    def go(self, x):\n        return x + 1\nhelper = C().go\n" + CALLS_HELPER)}, "x + 1", "x + 2",
    ),
    "instance inside a list": (
        {"main": main("class C:\n    def go(self, x):\n        return x + 1\nALL = [C()]\n@fl.memoize\ndef f(x):\n    return ALL[0].go(x)\n")},
        "x + 1", "x + 2",
    ),
    "class made by a function": (
        {"main": main("def make(k):\n    class C:\n        def go(self, x):\n            return x + k\n    return C\nC = make(1)\n"
                      "@fl.memoize\ndef f(x):\n    return C().go(x)\n")},
        "make(1)", "make(2)",
    ),
    "helper of a nested function": (
        {"main": main("def helper(x):\n    return x + 1\n@fl.memoize\ndef f(x):\n    def g():\n        return [helper(y) for y in (x,)]\n    return g()\n")},
        "x + 1", "x + 2",
    ),
    "helper of a coroutine": (
        {"main": main("import asyncio\nasync def helper(x):\n    return x + 1\n@fl.memoize\ndef f(x):\n    return asyncio.run(helper(x))\n")},
        "x + 1", "x + 2",
    ),
    "generator as a helper": (
        {"main": main("def helper(x):\n    yield x + 1\n@fl.memoize\ndef f(x):\n    return list(helper(x))\n")},
        "x + 1", "x + 2",
    ),
    "class whose attribute the function changes": (
        {"main": main("class C:\n    n = 0\n    @staticmethod\n    def go(x):\n        return x + 1\n"
                      "@fl.memoize\ndef f(x):\n    C.n += 1\n    return C.go(x)\n")},
        "x + 1", "x + 2",
    ),
    "helper whose attribute the function changes": (
        {"main": main("def helper(x):\n    return x + 1\nhelper.n = 0\n"
                      "@fl.memoize\ndef f(x):\n    helper.n += 1\n    return helper(x)\n")},
        "x + 1", "x + 2",
    ),
    "memoized method": (
        {"main": main("class C:\n    def __init__(self, k):\n        self.k = k\n    def step(self):\n        return self.k + 1\n"
                      "    @fl.memoize\n    def go(self, x):\n        return x + self.step()\ndef f(x):\n    return C(1).go(x)\n")},
        "self.k + 1", "self.k + 2",
    ),
    "method that a subclass overrides": (
        {"main": main("class C:\n    def step(self):\n        return 1\n    @fl.memoize\n    def go(self, x):\n        return x + self.step()\n"
                      "class D(C):\n    def step(self):\n        return 10\ndef f(x):\n    return D().go(x)\n")},
        "return 10", "return 20",
    ),
    "class of an argument": (
        {"main": main("class C:\n    def go(self):\n        return 1\n@fl.memoize\ndef g(c, x):\n    return x + c.go()\ndef f(x):\n    return g(C(), x)\n")},
        "return 1", "return 2",
    ),
    "class of an argument in a list": (
        {"main": main("class C:\n    def go(self):\n        return 1\n@fl.memoize\ndef g(cs, x):\n    return x + cs[0].go()\ndef f(x):\n    return g([C()], x)\n")},
        "return 1", "return 2",
    ),
    "annotated class of an argument": (
        {"main": main("class C:\n    def go(self):\n        return 1\n@fl.memoize\ndef g(c: C, x):\n    return x + c.go()\ndef f(x):\n    return g(C(), x)\n")},
        "return 1", "return 2",
    ),
    "helper of a function that is an argument": (
        {"main": main("def inner(x):\n    return x + 1\ndef h(x):\n    return inner(x)\n@fl.memoize\ndef g(h, x):\n    return h(x)\ndef f(x):\n    return g(h, x)\n")},
        "x + 1", "x + 2",
    ),
    "global rebound to another helper": (
        {"main": main("def a(x):\n    return x + 1\ndef b(x):\n    return x + 2\nhelper = a\n" + CALLS_HELPER)}, "helper = a", "helper = b",
    ),
    "helper that hides a builtin": (
        {"main": main("def sorted(x):\n    return 1\n@fl.memoize\ndef f(x):\n    return sorted([x])\n")}, "return 1", "return 2",
    ),
    "code that only type checkers see": (
        {"main": main("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nowhere import helper\nelse:\n    def helper(x):\n        return x + 1\n" + CALLS_HELPER)},
        "x + 1", "x + 2",
    ),
}

SAME: dict[str, tuple[dict[str, str], str, str]] = {
    "docstring of a helper": (
        {"main": main('def helper(x):\n    "One."\n    return x + 1\n' + CALLS_HELPER)}, "One.", "Two.",
    ),
    "comment in a helper": (
        {"main": main("def helper(x):\n    # one\n    return x + 1\n" + CALLS_HELPER)}, "# one", "# two, and more",
    ),
    "a helper moves down": (
        {"main": main("def helper(x):\n    return x + 1\n" + CALLS_HELPER)}, "def helper", "\n\n\ndef helper",
    ),
    "what is not reached": (
        {"main": main("def other(x):\n    return x + 1\ndef helper(x):\n    return x * 2\n" + CALLS_HELPER)}, "x + 1", "x + 2",
    ),
    "docstring of a class": (
        {"main": main('class C:\n    "One."\n    def go(self, x):\n        return x\n@fl.memoize\ndef f(x):\n    return C().go(x)\n')}, "One.", "Two.",
    ),
    "what the function writes": (
        {"main": main("SEEN = [1]\ndef helper(x):\n    SEEN.append(x)\n    return x\n" + CALLS_HELPER)}, "[1]", "[2]",
    ),
}
