import { webIdentityContract } from '../../contract/web-identity-contract.ts';

webIdentityContract('ws');
