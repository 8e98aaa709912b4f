/** Pages about the server itself, described. */
import type { PageDoc } from './openapi-page.ts';

const tag = 'server';

/** Pages of `pages.ts`, `viewer-route.ts`, `health.ts`, `metrics-route.ts`, `openapi.ts`. */
export const SERVICE_PAGES: readonly PageDoc[] = [
  {
    path: '/',
    tag,
    summary: 'The viewer, for browsers; for whoever does not accept text/html, what this server is.',
    types: ['text/html', 'text/plain'],
    isPublic: true,
  },
  {
    path: '/assets/{file}',
    tag,
    summary: 'A file of the viewer; its name holds a digest of it, so that it never changes.',
    types: ['text/javascript', 'text/css', 'application/wasm', 'application/json', 'image/svg+xml', 'image/png'],
    examples: { file: 'main-0A1B2C3D.js' },
    isPublic: true,
  },
  { path: '/healthz', tag, summary: 'Whether the server answers at all.', types: ['text/plain'], isPublic: true },
  {
    path: '/readyz',
    tag,
    summary: 'Whether the server can do its work: tables are loaded, the store answers, it is not on its way out.',
    types: ['application/json'],
    isPublic: true,
    schema: {
      type: 'object',
      required: ['ready', 'waiting'],
      properties: { ready: { type: 'boolean' }, waiting: { type: 'array', items: { type: 'string' } } },
    },
    also: { '503': 'Not yet, or not any more; `waiting` names why.' },
  },
  {
    path: '/metrics',
    tag,
    summary:
      'What the server does, for Prometheus: to programs on its machine, and to tokens with the right admin on everything.',
    types: ['text/plain'],
    also: { '403': 'The token lacks the right admin on everything.' },
  },
  { path: '/openapi.json', tag, summary: 'This description.', types: ['application/json'], isPublic: true },
];
