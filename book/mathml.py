"""Formulas as MathML, which browsers draw by themselves: the book and the slides need no network for them."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def write_inline(writer, node):
    """Write a formula inside a line."""
    writer.body.append(tex2mathml(node.astext()))
    raise SkipNode


def write_block(writer, node):
    """Write a formula on a line of its own."""
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


def setup(app):
    """Offer it to Sphinx as `html_math_renderer`."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
