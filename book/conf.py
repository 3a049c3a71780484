"""How Sphinx builds the book from stored outputs; `make book` gathers its pages into `build/book/pages` first."""

import re

project = html_title = "The LLMOps workbook"
author = "The LLMOps workbook"
extensions = ["myst_nb", "mathml"]
html_math_renderer = "mathml"
nb_execution_mode = "off"
nb_merge_streams = True
# Of a widget its twin as HTML; without a kernel nothing could be moved.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_theme_options = {
    "show_navbar_depth": 1,
    "home_page_in_toc": True,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
}
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = True
# The widgets' own type, which has its twin; and errors that a lesson shows, which are sentences and no tracebacks.
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]
# What is printed in dark mode is printed light all the same.
PRINT_LIGHT = """
addEventListener("beforeprint", () => { const page = document.documentElement; page.dataset.was = page.dataset.theme;
  page.dataset.theme = "light"; });
addEventListener("afterprint", () => { document.documentElement.dataset.theme = document.documentElement.dataset.was; });
"""


def setup(app):
    """Let links in stored HTML go to pages: the map of the course names notebooks."""

    def mend(app, pagename, templatename, context, doctree):
        if "body" in context:
            context["body"] = re.sub(r"""(href=["']\d\d(?:_\d)?_\w+)\.ipynb""", r"\1.html", context["body"])

    app.connect("html-page-context", mend)
    app.add_js_file(None, body=PRINT_LIGHT)
