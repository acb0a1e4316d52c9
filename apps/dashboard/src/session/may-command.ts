/** Who is signed in, for whatever shows buttons: the coordinator itself decides, a button that it would refuse is not shown. */
import { createContext, useContext } from 'react';
import type { Session } from '../api/schemas.ts';

/** Who is signed in. */
export const SessionContext = createContext<Session | undefined>(undefined);

/** Whether whoever is signed in may change something. */
export function useMayCommand(): boolean {
  return useContext(SessionContext)?.role === 'administrator';
}
