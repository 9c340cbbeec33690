"""The audit as one page of HTML: charts, tables and the records themselves, in a file that needs nothing else.

html, figures, tables    elements, numbers, tables; whatever is not made here is escaped
style                    the one style sheet
look, charts, svg        specifications of pictures, and what is left of them in a page
part, of_...             the sections
page, plot, output       `report_html`, the chart of `--plot`, and how both are written
"""
