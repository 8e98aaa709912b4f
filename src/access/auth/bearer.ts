/** Tokens in headers. */

/** The token of an Authorization header; undefined where there is none, or one for somebody else, such as a proxy. */
export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^bearer +([\x21-\x7e]+) *$/i.exec(header)?.[1];
}
