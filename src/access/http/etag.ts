/** Entity tags: strong ones, another for each content encoding. Source: RFC 9110, 8.8.3 and 13. */
import { createHash } from 'node:crypto';

/** The tags of a page, quoted. */
export interface PageTags {
  readonly identity: string;
  readonly gzip: string;
  /** Of pages that have this form. */
  readonly br?: string;
}

const LEGAL = /^[\x21\x23-\x7e]{1,200}$/;
const LISTED = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/**
 * The tags of what is named so. Names that would be no legal tags are replaced by a digest.
 *
 * @param hasBr whether the page has this form too.
 */
export function tagsOf(name: string, hasBr = false): PageTags {
  const legal = LEGAL.test(name) ? name : digestOf(name);
  const tags = { identity: `"${legal}"`, gzip: `"${legal}+gzip"` };
  return hasBr ? { ...tags, br: `"${legal}+br"` } : tags;
}

/** A name for bytes, by what they are. */
export function digestOf(body: Uint8Array | string): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, 22);
}

/**
 * Which tag of a page an If-Match or If-None-Match header names; `*` names that of no encoding.
 *
 * @param weakly whether a weak tag counts as the strong one: for If-None-Match.
 */
export function namedTag(header: string, tags: PageTags, weakly: boolean): string | undefined {
  if (header.trim() === '*') return tags.identity;
  for (const [, weak, tag] of header.matchAll(LISTED)) {
    if (weak !== undefined && !weakly) continue;
    if (tag === tags.identity || tag === tags.gzip || tag === tags.br) return tag;
  }
  return undefined;
}
