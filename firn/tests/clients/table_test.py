#!/usr/bin/env python3
"""What the table may say: never that something works that this run or the page has not seen."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import table  # noqa: E402
from harness import Client, Result, Suite  # noqa: E402

OK = Result("ok")
LACKING = Result("unsupported", "no such call: `a | b`, at all")


class Table(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = Path(folder.name) / "page.md"
        self.page.write_text("before\n<!-- table x: written by make clients -->\n<!-- end of table x -->\nafter\n")
        self.clients = [Client("a", "library 1", None, None), Client("b", "library 2", None, None)]
        self.suite = Suite("x", {"one": "this | that", "two": "the other"}, self.clients, None)
        self.results = {"a": {"one": OK, "two": LACKING}, "b": {"one": OK, "two": OK}}
        self.write(self.results)

    def write(self, results):
        table.write(self.page, self.suite, self.clients, results)

    def differs(self, clients=None, **told):
        results = {**self.results, **told}
        return bool(table.difference(self.page, self.suite, clients or self.clients, results))

    def test_what_was_written_is_the_same(self):
        self.assertFalse(self.differs())
        text = self.page.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        self.assertIn("| `two` | the other | no | yes |", text)
        self.assertIn("- a, `two`: no such call: `a | b`, at all\n", text)

    def test_another_result_differs(self):
        for word in ("failed", "unsupported"):
            self.assertTrue(self.differs(b={"one": OK, "two": Result(word, "why")}), word)
        self.assertTrue(self.differs(a={"one": OK, "two": OK}))
        self.assertTrue(self.differs(a={"one": OK, "two": Result("unsupported", "another reason")}))

    def test_who_is_skipped_or_left_out_does_not_differ(self):
        skipped = {"one": Result("skipped", "no tool"), "two": Result("skipped", "no tool")}
        self.assertFalse(self.differs(a=skipped))
        self.assertFalse(self.differs(b=skipped))
        self.assertFalse(self.differs(a={}, b={"two": OK}))
        self.assertTrue(self.differs(a=skipped, b={"one": Result("failed"), "two": OK}))

    def test_other_columns_and_rows_differ(self):
        self.assertTrue(self.differs([self.clients[0], Client("b", "library 3", None, None)]))
        self.assertTrue(self.differs(self.clients[:1]))
        self.assertTrue(self.differs([*self.clients, Client("c", "library 1", None, None)], c={"one": OK, "two": OK}))
        self.suite.features["three"] = "new"
        self.assertTrue(self.differs())

    def test_nothing_works_that_was_not_tried(self):
        skipped = {"one": Result("skipped", "no tool"), "two": Result("skipped", "no tool")}
        self.write({**self.results, "b": skipped})
        self.assertIn("| `one` | this \\| that | yes | not tried |", self.page.read_text())
        self.assertTrue(self.differs())
        self.write({"a": {"one": Result("failed", "boom"), "two": OK}})
        self.assertIn("| `one` | this \\| that | **fails** | not tried |", self.page.read_text())

    def test_a_page_without_a_place_is_an_error(self):
        self.page.write_text("no place\n")
        self.assertRaises(ValueError, self.write, self.results)


if __name__ == "__main__":
    unittest.main()
