/** Pages about the server itself, described. */
import type { PageDoc } from './openapi-page.ts';

const tag = 'server';

/** Pages of `pages.ts`, `health.ts`, `metrics-route.ts`, `openapi.ts`. */
export const SERVICE_PAGES: readonly PageDoc[] = [
  { path: '/', tag, summary: 'What this server is, for people.', types: ['text/plain'], isPublic: true },
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
