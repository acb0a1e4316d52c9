/** `melo doctor --config`: every way to the coordinator, and which of them work: proxy, certificate, websocket, polling. */
import { fromHex } from '#core/bytes';
import { fingerprint } from '#core/crypto';
import { MeloError } from '#core/errors';
import { proxyName } from '../common/proxy-settings.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { loadCoordinator, type CoordinatorRecord } from '../identity/identity.ts';
import { fetchNonce } from '../transport/handshake.ts';
import type { NetworkOptions } from '../transport/network.ts';
import { probeTransport } from '../transport/probe.ts';
import { transportNames, type TransportName } from '../transport/transport-choice.ts';
import { networkOf } from './agent-run.ts';
import type { Finding } from './doctor-finding.ts';

type Reach = NetworkOptions & { readonly timeoutMs: number };

/** What went wrong, or null. */
async function failureOf(work: () => Promise<unknown>): Promise<Error | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error('it failed without a message');
  }
}

/** Ask the pinned coordinator for a nonce: address, proxy, TLS and its key are then all right. */
function ask({ url, signingPublicKey }: CoordinatorRecord, reach: Reach): Promise<Error | null> {
  return failureOf(() => fetchNonce(url, fingerprint(fromHex(signingPublicKey)), reach));
}

/** A proxy that refuses may not be needed at all. */
async function adviceOnProxy(
  coordinator: CoordinatorRecord,
  reach: Reach,
  failure: Error,
): Promise<string> {
  if (!(failure instanceof MeloError) || failure.code !== 'PROXY_REFUSED') return '';
  const isDirectOpen = (await ask(coordinator, { ...reach, proxy: () => null })) === null;
  return isDirectOpen
    ? '. Without the proxy it answers: set connection.proxy: none, or name its host in NO_PROXY'
    : '. Without the proxy it does not answer either';
}

function transportFinding(
  transport: TransportName,
  failure: Error | null,
  config: AgentConfig,
): Finding {
  const { transports, transportFailuresMax } = config.connection;
  const isUsed = transports.includes(transport);
  const use = isUsed ? '' : '; connection.transports leaves it out';
  if (failure === null) return { check: transport, status: 'ok', message: `it gets through${use}` };
  if (!isUsed) return { check: transport, status: 'ok', message: `${failure.message}${use}` };
  const others = transports.filter((name) => name !== transport).join(', ');
  const after = `. The agent tries ${others} after ${transportFailuresMax} failures; connection.transports: [${others}] saves them`;
  return {
    check: transport,
    status: others === '' ? 'failed' : 'warning',
    message: `${failure.message}${others === '' ? '' : after}`,
  };
}

/** Where every way of the configuration fails, that is no mere warning. */
function judged(findings: readonly Finding[], config: AgentConfig): Finding[] {
  const { transports } = config.connection;
  const used = findings.filter(({ check }) => transports.some((name) => name === check));
  if (used.some(({ status }) => status === 'ok')) return [...findings];
  return findings.map((each) => (used.includes(each) ? { ...each, status: 'failed' } : each));
}

/** Try every way to the coordinator that this site is enrolled at. */
export async function checkConnection(config: AgentConfig): Promise<Finding[]> {
  const coordinator = await loadCoordinator(config.dataDirectory);
  if (coordinator === null) {
    const message = `this site is not enrolled yet; run melo agent enroll --config ${config.file}`;
    return [{ check: 'coordinator', status: 'warning', message }];
  }
  const { url, site } = coordinator;
  const timeoutMs = config.connection.connectTimeoutMs;
  const reach: Reach = { ...(await networkOf(config)), timeoutMs };
  const proxy = reach.proxy?.(new URL(url)) ?? null;
  const way = proxy === null ? 'without a proxy' : `through the proxy ${proxyName(proxy)}`;
  const failure = await ask(coordinator, reach);
  if (failure !== null) {
    const advice = await adviceOnProxy(coordinator, reach, failure);
    return [{ check: 'coordinator', status: 'failed', message: `${failure.message}${advice}` }];
  }
  const message = `${url} answers ${way}, with the pinned key; this is site ${site}`;
  const findings: Finding[] = [];
  for (const transport of transportNames) {
    const failed = await failureOf(() => probeTransport(url, transport, reach));
    findings.push(transportFinding(transport, failed, config));
  }
  return [{ check: 'coordinator', status: 'ok', message }, ...judged(findings, config)];
}
