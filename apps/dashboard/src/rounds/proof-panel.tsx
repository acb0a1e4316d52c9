/** What a round left to check it by: digests, signed records, the chain of results, and the check itself. */
import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { useFresh, versionRequest } from '../api/resources.ts';
import { verificationSchema, type RoundDetail, type Verification } from '../api/detail-schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Digest, Facts } from '../common/facts.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { SignedRecord } from './signed-record.tsx';

const checkNames: Readonly<Record<string, string>> = {
  chain: 'Signed chain of results',
  file: 'File of the adapter',
  recomputation: 'Recomputed from the stored updates',
};

function Outcome({ verification }: { readonly verification: Verification }) {
  const { isGood, scope, checks } = verification;
  return (
    <Stack gap="xs" role="status">
      <Group gap="xs">
        <StatusBadge status={isGood ? 'verified' : 'not verified'} />
        <Text size="sm">
          {scope === 'chain'
            ? 'The chain alone was checked: uploads and the round’s key were erased when their time was over.'
            : 'The version was computed again from what is stored.'}
        </Text>
      </Group>
      {checks.map(({ name, isGood: holds, detail }) => (
        <Text key={name} size="sm">
          <StatusBadge status={holds ? 'holds' : 'does not hold'} />{' '}
          <b>{checkNames[name] ?? name}</b>: {detail}
        </Text>
      ))}
    </Stack>
  );
}

function Verify({ task, round }: { readonly task: string; readonly round: number }) {
  const [verification, setVerification] = useState<Verification>();
  const { isBusy, failure, run } = useRun();
  const verify = (): void => {
    run(async () => {
      const path = { task, round };
      setVerification(
        await send(
          request('GET', '/v1/tasks/{task}/rounds/{round}/verification', verificationSchema, {
            path,
          }),
        ),
      );
    });
  };
  return (
    <Stack gap="xs" align="flex-start">
      <Button size="compact-sm" onClick={verify} loading={isBusy}>
        Verify this round
      </Button>
      {failure !== undefined && <Alert color="red">{failure}</Alert>}
      {verification !== undefined && <Outcome verification={verification} />}
    </Stack>
  );
}

function Result({ task, version }: { readonly task: string; readonly version: number }) {
  const { data, error } = useFresh(versionRequest(task, version), ['versions']);
  if (data === undefined) return <Waiting error={error} />;
  const previous = data.resultPayload?.previousResultDigest;
  return (
    <Facts
      facts={[
        ['Version', `${version}, from version ${data.baseVersion ?? '–'}`],
        ['Digest of the adapter file', <Digest key="file" value={data.adapterDigest} />],
        ['Digest of the result', <Digest key="result" value={data.resultDigest} />],
        [
          'Digest of the result before',
          previous === null ? 'none: it is the first' : <Digest key="before" value={previous} />,
        ],
      ]}
    />
  );
}

/** What a round left to check it by. */
export function ProofPanel({
  task,
  round,
}: {
  readonly task: string;
  readonly round: RoundDetail;
}) {
  // A round that is published makes the version of its number.
  const version = round.phase === 'published' ? round.round : undefined;
  return (
    <Panel title="Proof">
      <Stack gap="md">
        {round.phase === 'published' && <Verify task={task} round={round.round} />}
        <Facts
          facts={[['Digest of the opening', <Digest key="open" value={round.openDigest} />]]}
        />
        {version !== undefined && <Result task={task} version={version} />}
        <SignedRecord name="The signed opening of the round" envelope={round.open} />
        {round.membership !== null && (
          <SignedRecord
            name="The signed membership record: who is in the aggregate, who is not, and why"
            envelope={round.membership}
          />
        )}
        <Text size="xs" c="dimmed">
          Digests are BLAKE2b-256. &ldquo;melo admin rounds verify {task} {round.round}&rdquo;
          checks the same from a terminal.
        </Text>
      </Stack>
    </Panel>
  );
}
