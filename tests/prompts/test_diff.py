"""Claims about what is shown of the difference between two prompts."""

import html
import random
import re
import time

from llmops_utils.prompts import Prompt, diff_prompts

DEL = '<del style="color:inherit;background:rgba(220,50,50,.25);text-decoration:line-through">'
INS = '<ins style="color:inherit;background:rgba(40,160,80,.25);text-decoration:underline">'


def test_what_no_eye_sees_is_marked_too():
    cases = [
        ("One two", "One\ntwo", f"One{DEL} </del>{INS}↵\n</ins>two"),
        ("Greeting:", "", f"pre-wrap'>{DEL}Greeting:</del></td>"),
    ]
    for before, after, marked in cases:
        assert marked in diff_prompts(Prompt("p", before), Prompt("p", after))._repr_html_()
    told = str(diff_prompts(Prompt("p", "one\ntwo"), Prompt("p", "first\ntwo\n", context="a\r"))).split("\n")
    assert told[3:9] == ["-one", "+first", " two", "+", "@@ context @@", "+a␍"]


def test_the_diff_escapes_all_texts():
    page = diff_prompts(Prompt("<i>", "a <b> c"), Prompt("<u>", "a <s> c", "<script>"))._repr_html_()
    assert [tag for tag in ("<i>", "<u>", "<b> c", "<s>", "<script>") if tag in page] == []
    assert f"a {DEL}&lt;b&gt;</del>{INS}&lt;s&gt;</ins> c" in page


def test_the_marked_words_hold_both_texts_completely():
    chance = random.Random(0)
    for _ in range(200):
        old, new = ("".join(chance.choices(["a", "b", " ", "\n", "<", " c "], k=chance.randrange(12))) for _ in "12")
        page = diff_prompts(Prompt("p", old), Prompt("p", new))._repr_html_()
        found = re.search(r"<b>instruction</b></td><td[^>]*>(.*?)</td>", page, re.DOTALL)
        if old == new:
            assert "unchanged" in found[1]
            continue
        body = found[1].replace("↵", "")
        without_added = re.sub(r"<ins .*?</ins>", "", body, flags=re.DOTALL)
        without_removed = re.sub(r"<del .*?</del>", "", body, flags=re.DOTALL)
        texts = [html.unescape(re.sub(r"</?(del|ins)[^>]*>", "", text)) for text in (without_added, without_removed)]
        assert texts == [old, new]


def test_long_prompts_are_compared_in_no_time():
    words = [f"word{number}" for number in range(2500)]
    for old, new in ((words, words[::-1]), (words, [*words[:1200], "new", *words[1200:]]), (words * 4, words[1:] * 4)):
        for separator in (" ", "\n"):
            started = time.thread_time()
            page = diff_prompts(Prompt("p", separator.join(old)), Prompt("p", separator.join(new)))._repr_html_()
            assert time.thread_time() - started < 5, (len(old), separator)
            assert page.count("word") >= len(old)
