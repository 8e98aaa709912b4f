/** Values as YAML in block style, as Butterfly answers where it is asked for `format=yaml`. */
import { stringify } from 'yaml';
import type { JsonValue } from './pretty-json.ts';

/** Writes a value. Version 1.1 puts quotes around `off`, `yes` and their like, so that every reader sees text. */
export function yamlText(value: JsonValue): string {
  return stringify(value, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });
}
