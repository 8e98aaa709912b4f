import { expect, it } from 'vitest';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { databaseContract } from '../contract/database-contract.ts';

databaseContract('MemoryDatabase', async () => ({ database: new MemoryDatabase() }));

it('a MemoryDatabase has no backup', async () => {
  await expect(new MemoryDatabase().backup('nowhere')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
