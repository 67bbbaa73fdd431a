// What a frame refers to and what it says. An expression: an object of functions that run in a world
// apart from the page's own scripts and change nothing.
(() => {
  const MOST_REFERENCES = 5000;
  const MOST_ROOTS = 2000;
  const LONGEST_TEXT = 20000000;

  // The document and every open shadow root in it.
  const allRoots = (top = document, most = MOST_ROOTS) => {
    const roots = [top];
    for (let at = 0; at < roots.length && roots.length < most; at++)
      for (const e of roots[at].querySelectorAll('*')) if (e.shadowRoot) roots.push(e.shadowRoot);
    return roots;
  };

  const value = (e, name) => (e.getAttribute(name) || '').trim();

  class Found {
    constructor() {
      this.roots = allRoots();
      this.kinds = new Map();
      this.unreadable = new Set();
      this.here = document.URL.split('#')[0];
      this.link = document.createElementNS('http://www.w3.org/1999/xhtml', 'a');
      // Whose address or base was changed by a script has what it loaded before by the old one.
      const [arrival] = performance.getEntriesByType('navigation');
      const base = document.baseURI.split('#')[0];
      this.oldBases = [document.URL, arrival?.name].filter(one => one && one.split('#')[0] !== base);
      const loads = this.oldBases.length ? performance.getEntriesByType('resource') : [];
      this.loaded = new Set(loads.map(load => load.name.split('#')[0]));
    }

    // *plain*, unless the page never loaded it, and loaded *url* by a base that it had before.
    asLoaded(plain, url) {
      if (this.loaded.has(plain)) return plain;
      const before = this.oldBases.map(base => URL.parse(url, base)?.href.split('#')[0]);
      return before.find(one => this.loaded.has(one)) ?? plain;
    }

    each(selector, visit) {
      for (const root of this.roots) for (const e of root.querySelectorAll(selector)) visit(e);
    }

    // URL 5.2: what stands after a question mark is encoded as its document is, which `URL` doesn't know.
    add(url, kind, base) {
      if (!url) return;
      const isByBase = !base || base === document.baseURI;
      let absolute;
      try {
        if (!isByBase) absolute = new URL(url, base);
        else {
          this.link.setAttribute('href', url);
          absolute = new URL(this.link.href);
        }
      } catch {
        return;
      }
      const found = absolute.href.split('#')[0], plain = isByBase ? this.asLoaded(found, url) : found;
      if (/^https?:$/.test(absolute.protocol) && plain !== this.here) this.kinds.set(`${kind} ${plain}`, [plain, kind]);
    }

    attribute(selector, name, kind) {
      this.each(selector, e => this.add(value(e, name), kind));
    }

    // HTML 4.8.4.3.9, parsing a srcset attribute: a URL ends at white space; a comma at its end
    // ends the candidate, else the descriptors run to the next comma outside brackets.
    candidates(text, kind) {
      let rest = text || '';
      for (;;) {
        rest = rest.replace(/^[\s,]+/, '');
        const [url] = rest.match(/^\S+/) || [''];
        if (!url) return;
        rest = rest.slice(url.length);
        this.add(url.replace(/,+$/, ''), kind);
        if (!url.endsWith(',')) rest = rest.replace(/^(?:\([^)]*\)|[^,(])*/, '');
      }
    }

    urls(text, kind, base) {
      const quoted = /url\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^)\s]*))\s*\)/g;
      for (const m of text.matchAll(quoted)) this.add((m[1] ?? m[2] ?? m[3]).replace(/\\(.)/g, '$1'), kind, base);
    }
  }

  const inElements = found => {
    found.attribute('img[src], input[type=image i][src]', 'src', 'Image');
    found.each('img', e => found.add(e.currentSrc, 'Image'));
    found.each('img[srcset], picture source[srcset]', e => found.candidates(value(e, 'srcset'), 'Image'));
    found.attribute('body[background], table[background], td[background], th[background]', 'background', 'Image');
    found.attribute('video[src], audio[src], video source[src], audio source[src]', 'src', 'Media');
    found.each('video, audio', e => found.add(e.currentSrc, 'Media'));
    found.attribute('video[poster]', 'poster', 'Image');
    found.attribute('track[src]', 'src', 'TextTrack');
    found.attribute('script[src]', 'src', 'Script');
    found.attribute('iframe[src], frame[src]', 'src', 'Document');
    found.attribute('embed[src]', 'src', 'Other');
    found.attribute('object[data]', 'data', 'Other');
    found.each('svg image, svg use, svg feImage', e => {
      const link = value(e, 'href') || (e.getAttributeNS('http://www.w3.org/1999/xlink', 'href') || '').trim();
      if (!link.startsWith('#')) found.add(link, 'Image');
    });
  };

  // HTML 4.6.7, link types; of the others nothing is loaded.
  const LINKED = [
    [/^stylesheet$/, 'Stylesheet'],
    [/^(icon|apple-touch-icon(-precomposed)?|mask-icon)$/, 'Image'],
    [/^manifest$/, 'Manifest'],
    [/^modulepreload$/, 'Script'],
  ];
  const LATER = /^[\d.]+\s*[;,\s]\s*(?:url\s*=\s*)?(?:["']([^"']*)|(.*))/is;
  // A style sheet that isn't waited for is announced, and made one once it is there.
  const becomesStyle = e => /^style$/i.test(value(e, 'as')) && e.hasAttribute('onload');
  const inHead = found => {
    found.each('link[rel][href]', e => {
      const rels = value(e, 'rel').toLowerCase().split(/\s+/);
      const known = LINKED.find(([pattern]) => rels.some(rel => pattern.test(rel)));
      if (known) found.add(value(e, 'href'), known[1]);
      else if (rels.includes('preload')) found.add(value(e, 'href'), becomesStyle(e) ? 'Stylesheet' : 'Preload');
    });
    found.each('link[imagesrcset]', e => found.candidates(value(e, 'imagesrcset'), 'Preload'));
    found.each('meta[content]', e => {
      const name = (value(e, 'property') || value(e, 'name')).toLowerCase();
      if (/^(og:image(:url|:secure_url)?|twitter:image(:src)?)$/.test(name)) found.add(value(e, 'content'), 'MetaImage');
    });
    // HTML 4.2.5.3, the refresh state: a time, then where to go on; the visit may be over before.
    found.each('meta[http-equiv=refresh i][content]', e => {
      const [, quoted, bare] = value(e, 'content').match(LATER) || [];
      found.add((quoted ?? bare ?? '').trim(), 'Refresh');
    });
  };

  // Pictures and films that a script would put in place, and those for readers without scripts.
  const LAZY_NAMES = [
    'data-src', 'data-original', 'data-lazy', 'data-lazy-src', 'data-bg', 'data-background-image', 'data-poster',
  ];
  const LAZY_ELEMENTS = ['img', 'source', 'div', 'span', 'a', 'section', 'figure', 'video', 'audio'];
  const LOOKS_LIKE_URL = /^(https?:|\/|\.)\S*$|^\S+\.(jpe?g|png|gif|webp|avif|svg)([?#]\S*)?$/i;
  const TAG = /<(img|source)\s((?:"[^"]*"|'[^']*'|[^<>"'])*)>/gi;
  const ATTRIBUTE = /([^\s"'=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?/g;
  const withoutComments = text =>
    text.split('<!--').map((part, at) => (at ? part.split('-->').slice(1).join('-->') : part)).join('');
  const inWaiting = found => {
    for (const name of LAZY_NAMES)
      found.each(LAZY_ELEMENTS.map(element => `${element}[${name}]`).join(), e => {
        const link = value(e, name).replace(/^url\(["']?|["']?\)$/g, '');
        if (LOOKS_LIKE_URL.test(link)) found.add(link, 'LazyImage');
      });
    found.each('[data-srcset]', e => found.candidates(value(e, 'data-srcset'), 'LazyImage'));
    // Where a page takes trusted types alone (CSP, require-trusted-types-for) no parser takes its text.
    found.each('noscript', e => {
      for (const [, tag, inside] of withoutComments(e.textContent).matchAll(TAG))
        for (const [, name, double, single, bare] of inside.matchAll(ATTRIBUTE)) {
          const text = (double ?? single ?? bare ?? '').replace(/&(amp|#38|#x26);/gi, '&').trim();
          if (/^srcset$/i.test(name)) found.candidates(text, 'LazyImage');
          else if (/^src$/i.test(name) && /^img$/i.test(tag)) found.add(text, 'LazyImage');
        }
    });
  };

  const inStyles = found => {
    const seen = new Set();
    const inSheet = (sheet, base) => {
      if (!sheet || seen.has(sheet)) return;
      seen.add(sheet);
      let rules;
      try {
        rules = sheet.cssRules;
      } catch {
        found.unreadable.add(sheet.href);
        return;
      }
      inRules(rules, sheet.href || base);
    };
    const inRules = (rules, base) => {
      for (const rule of rules) {
        if (rule instanceof CSSImportRule) {
          found.add(rule.href, 'Stylesheet', base);
          inSheet(rule.styleSheet, base);
        } else if (rule instanceof CSSFontFaceRule) {
          found.urls(rule.cssText, 'Font', base);
        } else {
          if (rule.style) found.urls(rule.style.cssText, 'Image', base);
          if (rule.cssRules) inRules(rule.cssRules, base);
        }
      }
    };
    for (const root of found.roots)
      for (const sheet of [...root.styleSheets, ...root.adoptedStyleSheets]) inSheet(sheet, document.baseURI);
    found.each('[style]', e => e.style && found.urls(e.style.cssText, 'Image'));
  };

  // Where a document's text goes on that `innerText` doesn't follow: shadow trees, what is put into
  // their slots, and frames that its scripts may read; with all elements around them.
  const isOpenFrame = e => /^i?frame$/.test(e.localName) && e.contentDocument?.body?.hasChildNodes();
  const passages = top => {
    const found = new Set();
    for (const root of allRoots(top, Infinity))
      for (const e of root.querySelectorAll('*'))
        if (e.shadowRoot || isOpenFrame(e) || (root !== top && e.localName === 'slot'))
          for (let up = e; up && !found.has(up); up = up.parentElement || up.getRootNode().host) found.add(up);
    return found;
  };
  const isDrawn = (e, style) => style.display === 'contents' || e.checkVisibility();

  // HTML 3.2.7, the innerText getter, in the flat tree: strings, and numbers of line breaks required.
  class Words {
    constructor(top) {
      this.items = [];
      this.passages = passages(top);
    }

    visit(node, style, depth) {
      if (node.nodeType === Node.TEXT_NODE && style.visibility === 'visible')
        this.items.push(/pre|break/.test(style.whiteSpace) ? node.data : node.data.replace(/\s+/g, ' '));
      if (node.nodeType === Node.ELEMENT_NODE) this.element(node, depth);
    }

    element(e, depth) {
      const style = getComputedStyle(e);
      if (!isDrawn(e, style)) return;
      const isInline = /^(inline|contents|table-cell|ruby)/.test(style.display);
      const breaks = e.localName === 'p' ? 2 : isInline ? 0 : 1;
      this.items.push(breaks);
      if (e.localName === 'br') this.items.push('\n');
      else if (!this.passages.has(e) || depth > DEEPEST) this.items.push(e.innerText ?? e.textContent);
      else if (isOpenFrame(e)) this.items.push(1, e.offsetWidth > 1 ? shownText(e.contentDocument) : '', 1);
      else for (const node of within(e)) this.visit(node, style, depth + 1);
      if (style.display === 'table-cell' && e.nextElementSibling) this.items.push('\t');
      this.items.push(breaks);
    }

    get text() {
      let text = '', breaks = 0;
      for (const item of this.items.filter(item => item !== '')) {
        if (typeof item === 'number') breaks = Math.max(breaks, item);
        else if (breaks && !item.trim()) continue;
        else {
          text = breaks ? text.trimEnd() + '\n'.repeat(text.trim() && breaks) + item.trimStart() : text + item;
          breaks = 0;
        }
      }
      return text.trim();
    }
  }
  const DEEPEST = 500;
  const within = e => {
    const given = e.localName === 'slot' ? e.assignedNodes() : [];
    return given.length ? given : (e.shadowRoot || e).childNodes;
  };

  // What a reader can read of a document, its shadow trees and the frames in it.
  const shownText = top => {
    if (!top?.body) return top?.documentElement?.textContent || '';
    const words = new Words(top);
    if (!words.passages.size) return top.body.innerText;
    words.element(top.body, 0);
    return words.text;
  };

  return {
    // References as [absolute URL, kind], and the stylesheets that no script may read (CORS).
    references() {
      const found = new Found();
      for (const search of [inElements, inHead, inWaiting, inStyles]) search(found);
      const all = [...found.kinds.values()];
      return {
        references: all.slice(0, MOST_REFERENCES),
        is_cut: all.length > MOST_REFERENCES,
        unreadable_sheets: [...found.unreadable].filter(Boolean).slice(0, 100),
      };
    },

    // Both of the others at once.
    look() {
      return {facts: this.facts(), references: this.references()};
    },

    // Whether there is anything to draw: of HTML that has no body yet Chromium makes no first frame.
    isDrawable() {
      const root = document.documentElement;
      return document.readyState !== 'loading' || Boolean(root && (document.body || root.localName !== 'html'));
    },

    // What the document says of itself, its visible text included.
    facts() {
      const root = document.documentElement;
      const isVisible = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
      const text = shownText(document);
      return {
        title: document.title.slice(0, 2000),
        language: (root?.lang || '').slice(0, 100),
        direction: (root && getComputedStyle(root).direction) || '',
        character_set: document.characterSet,
        media_type: document.contentType,
        ready_state: document.readyState,
        has_password_field: [...document.querySelectorAll('input[type=password i]')].some(isVisible),
        text: text.slice(0, LONGEST_TEXT).toWellFormed(),
        is_text_cut: text.length > LONGEST_TEXT,
        text_length: text.trim().length,
        device_pixel_ratio: devicePixelRatio,
        timing: performance.getEntriesByType('navigation')[0]?.toJSON() ?? null,
      };
    },
  };
})()
