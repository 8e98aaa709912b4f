import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { databaseContract } from '../contract/database-contract.ts';

databaseContract('MemoryDatabase', async () => ({ database: new MemoryDatabase() }));
