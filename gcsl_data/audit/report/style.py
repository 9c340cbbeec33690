"""The one style sheet of the page. Its hash stands in the page's policy, so no other style is followed."""

_LIGHT = """--page:#fcfcfb;--panel:#f4f5f3;--text:#1d2126;--muted:#565c64;--line:#d9dcd8;--bar:#b4c6d8;--accent:#1f5f99;
--mark:#a8460f;color-scheme:light"""
_DARK = """--page:#15181b;--panel:#1d2125;--text:#e7e8e6;--muted:#a6adb5;--line:#363c43;--bar:#3f5a75;--accent:#79b4ea;
--mark:#f0a36b;color-scheme:dark"""

STYLE = f"""
:root{{{_LIGHT}}}
@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%;text-size-adjust:100%}}
body{{margin:0 auto;padding:2rem 1.25rem 6rem;max-width:52rem;background:var(--page);color:var(--text);
font:1rem/1.55 system-ui,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}}
h1,h2,h3,h4{{line-height:1.25;font-weight:600;text-wrap:balance}}
h1{{font-size:1.5rem;margin:0 0 1rem}}
h2{{font-size:1.3rem;margin:0 0 .75rem}}
h3{{font-size:1.05rem;margin:1.75rem 0 .5rem}}
h4{{font-size:.85rem;margin:.75rem 0 .25rem;color:var(--muted)}}
p,ul,blockquote{{max-width:70ch;margin:0 0 .9rem}}
section{{margin-top:2.75rem;padding-top:1.5rem;border-top:1px solid var(--line);scroll-margin-top:1rem}}
a{{color:var(--accent);text-underline-offset:.15em}}
:focus-visible{{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}}
main:focus{{outline:none}}
.skip{{position:absolute;left:-100rem}}
.skip:focus{{position:static;display:inline-block;margin-bottom:1rem}}
blockquote{{margin-left:0;padding:.6rem 1rem;border-left:3px solid var(--accent);background:var(--panel);
white-space:pre-wrap}}
.facts{{display:grid;gap:.15rem;margin:0 0 1rem}}
.facts div{{display:grid;grid-template-columns:7.5rem 1fr}}
.facts dt,.facts dd{{margin:0}}
.facts dt{{color:var(--muted)}}
nav ul{{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:1.5rem 0 0;padding:0;max-width:none}}
nav a{{display:inline-block;padding:.25rem 0}}
.advice{{padding:0;list-style:none}}
.advice li{{padding:.7rem 1rem;border-left:3px solid var(--mark);background:var(--panel);margin-bottom:.6rem}}
.advice p{{margin:0}}
.place,.note,.says,.worry{{color:var(--muted);font-size:.875rem}}
figure{{margin:1rem 0 .75rem}}
svg{{display:block;width:100%;height:auto;overflow:visible;color:var(--text)}}
svg text{{font-family:inherit}}
svg.narrow{{display:none}}
@media screen and (max-width:36rem){{svg.narrow{{display:block}}svg.wide{{display:none}}}}
.figures{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr));gap:1.4rem 1.75rem;
margin:1.75rem 0 0}}
.figures dt{{font-size:.9rem}}
dd{{margin:0}}
.value{{font-size:1.35rem;font-weight:600;line-height:1.3}}
.says,.worry{{line-height:1.4;margin-top:.2rem}}
.worry b{{font-weight:600}}
.meanings{{margin:.5rem 0 1rem}}
.meanings div{{margin-bottom:.6rem;max-width:70ch}}
.meanings dt{{font-weight:600;font-size:.9rem}}
.meanings dd{{color:var(--muted);font-size:.875rem}}
.scroll{{overflow-x:auto;margin:.5rem 0}}
table{{border-collapse:collapse;font-size:.875rem;min-width:50%}}
caption{{text-align:left;padding:0 0 .5rem;color:var(--muted)}}
th,td{{padding:.3rem .75rem .3rem 0;text-align:right;vertical-align:top;
border-bottom:1px solid var(--line);white-space:nowrap}}
thead th{{font-weight:600;vertical-align:bottom;white-space:normal;overflow-wrap:normal}}
tbody th{{font-weight:400}}
.words{{text-align:left;white-space:normal;min-width:5.5rem}}
td.words:last-child{{min-width:9rem}}
details{{margin:.5rem 0}}
summary{{cursor:pointer;padding:.3rem 0;color:var(--accent);max-width:70ch}}
article{{margin:0 0 1rem;padding:.75rem 1rem;background:var(--panel);border-radius:4px}}
article p{{margin:0}}
pre{{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,monospace}}
code{{font:.9em ui-monospace,monospace;white-space:nowrap}}
@media print{{
body{{max-width:none;padding:0;font-size:10pt}}
nav,.skip,.columns{{display:none}}
section{{margin-top:1.5rem}}
figure,article,.figures div,tr,.advice li{{break-inside:avoid}}
h2,h3,h4{{break-after:avoid}}
}}
"""
