"""Claims about reading pages, with real files in every bad form."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from odd_pages import try_pages, write_pdf

from llmops_utils.core import DataError
from llmops_utils.rag.pages import list_headings, load_pages, parse_page


def test_markdown_text_and_pdf_are_read_and_other_files_left_alone(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        load_pages(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"holds no page\.") as caught:
        load_pages(tmp_path)
    assert ".md, .txt, .pdf" in caught.value.next_step
    (tmp_path / "a.md").write_text("# Kettles\n\nThey boil.", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("Grinders grind.", encoding="utf-8")
    (tmp_path / "c.csv").write_text("x,y", encoding="utf-8")
    (tmp_path / ".hidden.md").write_text("no", encoding="utf-8")
    write_pdf(tmp_path / "d.pdf", ["# Scales weigh.", "To the gram."])
    pages = load_pages(tmp_path)
    assert [(page.name, page.title, page.text, len(page.headings)) for page in pages] == [
        ("a", "Kettles", "# Kettles\n\nThey boil.", 1),
        ("d", "d", "# Scales weigh.\n\nTo the gram.", 0),  # the text of a PDF is no Markdown
        ("sub/b", "sub/b", "Grinders grind.", 0),
    ]
    (tmp_path / "a.txt").write_text("two", encoding="utf-8")
    with pytest.raises(DataError, match=r"Two files of .* are called a"):
        load_pages(tmp_path)


def test_headings_are_those_of_markdown():
    text = """\
# Kettles ##

```
# in a fence
```

## Care

Descaling
---------

   #### Limescale *and* salt

<!--
# in a comment
-->

```one line```
#	Writing C#

````
```
# in a fence that three do not close
````

# Price
"""
    found = list_headings(text)
    assert [(heading.path, text[heading.start : heading.end]) for heading in found] == [
        (("Kettles",), "# Kettles ##"),
        (("Kettles", "Care"), "## Care"),
        (("Kettles", "Descaling"), "Descaling\n---------"),
        (("Kettles", "Descaling", "Limescale *and* salt"), "   #### Limescale *and* salt"),
        (("Writing C#",), "#\tWriting C#"),
        (("Price",), "# Price"),
    ]


def test_metadata_are_the_texts_at_the_very_beginning_as_they_are_written():
    head = "status: current\nversion: 3.10\nupdated: 2026-01-07\nnote: 'a: b'\nempty:\ntags: [x, y]\nmore: {no: text}"
    page = parse_page("p", f"---\n{head}\n---\n\n# T\n\n---\nx: y\n---")
    kept = {"status": "current", "version": "3.10", "updated": "2026-01-07", "note": "a: b", "tags": "x, y"}
    assert page.metadata == kept
    assert page.text == "# T\n\n---\nx: y\n---"


def test_what_stands_between_rulers_is_text_unless_it_holds_fields_alone():
    for text in (
        "---\nA text between rules.\n---\n\nMore.",
        "---\n\nFirst.\n\n---\nMore.",
        "---\nNote: closed\n\nA paragraph.\n---\nMore.",
        "---\nSee: this\nand that\n---\nMore.",
        "---\n# Kettles\n---\nMore.",
        "---\n- a: b\n---\nMore.",
        "---\nkey: never ends\n",
        "---\nhttp://example.org/a\n---\nMore.",
    ):
        page = parse_page("p", text)
        assert (page.metadata, page.text) == ({}, text.strip("\n")), text
    for head, metadata in [
        ('status: "current"\n', {"status": "current"}),
        ("status: current  # x\n", {"status": "current"}),
        ("", {}),
        ("# kept by hand\ntags:\n- a\n- b\n\nnote: >\n  long: one\n", {"tags": "a, b", "note": "long: one\n"}),
        ("title:  Boiling\n", {"title": "Boiling"}),
    ]:
        for begin, end in [("---", "---"), ("--- ", "---\t"), ("---", "..."), ("\ufeff---", "---")]:
            page = parse_page("p", f"{begin}\n{head}{end}\n# Kettles\nMore.")
            assert (page.metadata, page.text) == (metadata, "# Kettles\nMore."), head
            assert page.title == metadata.get("title", "Kettles")
    with pytest.raises(DataError, match="no YAML"):
        parse_page("p", "---\na: " + "[" * 500 + "\n---\ntext")


def test_no_page_keeps_the_reader_busy():
    started = time.process_time()
    for piece in (" ", "#", "-", "a: ", "\n", "`", "<!--", "> "):
        for start in ("# a", "---\n", "---\na:", ""):
            with contextlib.suppress(DataError):  # no YAML
                parse_page("p", f"{start}{piece * 20_000}x")
    assert time.process_time() - started < 5  # 12 s for one heading with a pattern that tries each beginning anew


def test_a_pdf_with_an_empty_password_is_read_and_one_that_needs_a_password_or_is_a_scan_says_so(tmp_path):
    path = tmp_path / "a.pdf"
    for algorithm in ("RC4-128", "AES-256"):
        write_pdf(path, ["Scales weigh."], {"user_password": "", "owner_password": "x", "algorithm": algorithm})
        assert load_pages(tmp_path)[0].text == "Scales weigh."
        write_pdf(path, ["Scales weigh."], {"user_password": "secret", "algorithm": algorithm})
        with pytest.raises(DataError, match=r"a\.pdf needs a password"):
            load_pages(tmp_path)
    for lines, old, new in [(["", ""], b"", b""), (["Of a font that is not there"], b"/F1 1", b"/F2 1")]:
        write_pdf(path, lines)
        path.write_bytes(path.read_bytes().replace(old, new))
        with pytest.raises(DataError, match="holds no text; it may be a scan"):
            load_pages(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_links_out_of_the_folder_large_files_and_pipes_are_refused_and_links_inside_it_are_read(tmp_path):
    folder, outside = tmp_path / "pages", tmp_path / "outside"
    for one in (folder, outside):
        (one / "sub").mkdir(parents=True)
        (one / "sub" / "a.md").write_text("Kettles boil.", encoding="utf-8")
    (folder / "b.md").symlink_to("sub/a.md")
    (folder / "again").symlink_to(folder / "sub", target_is_directory=True)
    (folder / ".hidden").symlink_to(outside)
    (folder / "program").symlink_to("/usr/bin/env")  # no page, so it is left alone
    (tmp_path / "linked").symlink_to(folder)
    assert [page.name for page in load_pages(tmp_path / "linked")] == ["b", "sub/a"]
    for name, target in [("c.md", outside / "sub" / "a.md"), ("c", outside), ("sub/c.md", "../../outside/sub/a.md")]:
        (folder / name).symlink_to(target)
        with pytest.raises(DataError, match=rf"/{name} is a link that leads out of"):
            load_pages(folder)
        (folder / name).unlink()
    (folder / "a.md").symlink_to("nowhere.md")
    with pytest.raises(DataError, match=r"a\.md cannot be read \(No such file"):
        load_pages(folder)
    (folder / "a.md").unlink()
    with (folder / "large.txt").open("wb") as file:
        file.truncate(50_000_000)  # a file of holes takes no room
    with pytest.raises(DataError, match=r"large\.txt has 50\.0 MB; the most is 5\.0 MB"):
        load_pages(folder)
    (folder / "large.txt").unlink()
    os.mkfifo(folder / "p.md")
    with pytest.raises(DataError, match=r"/p\.md is no regular file"):
        load_pages(folder)


def test_all_bad_files_are_named_with_their_folders_and_a_name_that_is_no_utf_8_is_read(tmp_path):
    (tmp_path / "sub").mkdir()
    for number in range(64):
        (tmp_path / "sub" / f"{number:02}.md").write_bytes(b"\xff\xfe\xff" if number else b"")
    with pytest.raises(DataError, match=r"64 files cannot be read.*sub.00\.md holds no text") as caught:
        load_pages(tmp_path)
    assert f"{tmp_path / 'sub' / '09.md'} is no text" in caught.value.problem
    for path in (tmp_path / "sub").iterdir():
        path.unlink()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("Kettles \0boil.", encoding="utf-8")
    except OSError:
        pytest.skip("this disk takes no such name")
    with pytest.raises(DataError, match="caf\ufffd\\.md is a binary file") as caught:
        load_pages(tmp_path)
    str(caught.value).encode("utf-8")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("Kettles boil.", encoding="utf-8")
    assert [page.name for page in load_pages(tmp_path)] == ["caf\ufffd"]


def test_a_text_is_read_by_its_mark_and_a_bad_file_is_a_data_error_that_names_it(tmp_path):
    for mark in ("utf-8-sig", "utf-16-le", "utf-16-be", "utf-32"):
        text = "Größe" if mark in ("utf-8-sig", "utf-32") else "\ufeffGröße"
        (tmp_path / "x.txt").write_bytes(text.encode(mark))
        assert load_pages(tmp_path)[0].text == "Größe"
    (tmp_path / "x.txt").unlink()
    for name, content, problem in [
        ("x.md", b"\x00\x01\x02", "x.md is a binary file"),
        ("x.md", b"\x89PNG\r\n\x1a\n", "x.md is no text in utf-8 at byte 0"),
        ("x.txt", b"", "x.txt holds no text"),
        ("x.txt", "Größe".encode("cp1252"), "x.txt is no text in utf-8 at byte 2"),
        ("x.md", b"---\nstatus: current\n---\n", "x.md holds no text"),
        ("x.md", b"---\ns: old\ns: new\n---\ntext", "What stands before the text of x.md is no YAML (a field"),
        ("x.md", b"---\na: &a " + b"x" * 99000 + b"\n---\ntext", "x.md has more than 20,000 letters of metadata"),
        ("x.md", b"---\nnote: a: b\n---\ntext", "What stands before the text of x.md is no YAML"),
        ("x.pdf", b"%PDF-1.7\nbroken", "x.pdf cannot be read as a PDF"),
        ("x.txt", b"\xff\xfea", "x.txt is no text in utf-16"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_pages(tmp_path)
        assert caught.value.problem.startswith(problem.replace(name, str(path)))
        assert caught.value.next_step
        path.unlink()


def test_of_sixty_odd_pages_none_raises_and_none_loses_text():
    assert try_pages(48, 12, seed=4) == []
