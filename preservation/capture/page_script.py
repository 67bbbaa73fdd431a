"""The few lines of JavaScript that run in a page, in a world apart from the page's own scripts."""

from __future__ import annotations

REFERENCES = r"""
(() => {
  const found = [], add = (url, kind, base) => {
    try {
      const absolute = new URL(url, base || document.baseURI);
      if (/^https?:$/.test(absolute.protocol)) found.push([absolute.href, kind]);
    } catch (fault) {}
  };
  const each = (selector, visit) => document.querySelectorAll(selector).forEach(visit);
  const candidates = (text, kind) => {
    // HTML 4.8.4.2.2: candidates are separated by commas that follow a space or end a descriptor.
    for (const part of (text || '').split(/,\s+|,(?=https?:|\/)/)) {
      const url = part.trim().split(/\s+/)[0].replace(/,$/, '');
      if (url) add(url, kind);
    }
  };
  const attribute = (selector, name, kind) =>
    each(selector, e => { const v = e.getAttribute(name); if (v && v.trim()) add(v.trim(), kind); });
  attribute('img[src], input[type=image][src]', 'src', 'Image');
  each('img', e => e.currentSrc && add(e.currentSrc, 'Image'));
  each('img[srcset], picture source[srcset]', e => candidates(e.getAttribute('srcset'), 'Image'));
  attribute('svg image[href]', 'href', 'Image');
  attribute('video[src], audio[src], video source[src], audio source[src]', 'src', 'Media');
  each('video, audio', e => e.currentSrc && add(e.currentSrc, 'Media'));
  attribute('video[poster]', 'poster', 'Image');
  attribute('track[src]', 'src', 'TextTrack');
  attribute('script[src]', 'src', 'Script');
  attribute('iframe[src], frame[src]', 'src', 'Document');
  attribute('embed[src]', 'src', 'Other');
  attribute('object[data]', 'data', 'Other');
  attribute('link[rel~=stylesheet i][href]', 'href', 'Stylesheet');
  attribute('link[rel~=icon i][href], link[rel=apple-touch-icon i][href]', 'href', 'Image');
  const rules = (list, base) => {
    for (const rule of list || []) {
      if (rule.cssRules) rules(rule.cssRules, base);
      if (rule.type === CSSRule.FONT_FACE_RULE || !rule.style) continue;
      for (const match of rule.style.cssText.matchAll(/url\((?:"([^"]*)"|'([^']*)'|([^)]*))\)/g))
        add(match[1] || match[2] || match[3] || '', 'Image', base);
    }
  };
  for (const sheet of document.styleSheets) {
    try { rules(sheet.cssRules, sheet.href || document.baseURI); } catch (fault) {}
  }
  return found.slice(0, 5000);
})()
"""
"""[[absolute URL, kind], ...] of all that the document and its readable stylesheets refer to."""

FACTS = r"""
(() => {
  const visible = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
  const password = [...document.querySelectorAll('input[type=password]')].filter(visible);
  const text = document.body ? document.body.innerText.trim() : '';
  return {
    title: document.title.slice(0, 2000),
    has_password_field: password.length > 0,
    text_length: text.length,
  };
})()
"""

HEIGHT = """
[innerHeight, Math.max(document.documentElement.scrollHeight, document.body?.scrollHeight || 0)]
"""

PLAY_MUTED = """
document.querySelectorAll('video, audio').forEach(e => { e.muted = true; e.play().catch(() => 0); })
"""


def scroll_to(y_px: int) -> str:
    """Scrolls the page to *y_px* from its top."""
    return f"window.scrollTo({{top: {y_px}, behavior: 'instant'}})"
