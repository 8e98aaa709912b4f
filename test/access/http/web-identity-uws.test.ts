import { webIdentityContract } from '../../contract/web-identity-contract.ts';
import { overUws } from '../../support/over-uws.ts';

overUws('the suite of tokens over HTTP', webIdentityContract);
