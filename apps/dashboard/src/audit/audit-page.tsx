/** The audit log: searched, filtered, exported, and how it is checked. */
import { Button, Code, Group, Stack, Text, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request, targetOf } from '#api';
import { health, useFresh, useList, useResource } from '../api/resources.ts';
import { auditHeadSchema } from '../api/detail-schemas.ts';
import { Digest, Facts } from '../common/facts.tsx';
import { formatCount } from '../common/format.ts';
import { ListEnd } from '../common/list-table.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { addressOf, auditFilterNames, type AuditFilters } from '../places.ts';
import { goTo } from '../router.ts';
import { SignedRecord } from '../rounds/signed-record.tsx';
import { auditRequest } from './audit-query.ts';
import { AuditTable } from './audit-table.tsx';

/** Entries of a page. */
const pageSize = 50;

const fields = [
  { name: 'actor', label: 'By', example: 'administrator, site:north' },
  { name: 'action', label: 'What', example: 'round.*' },
  { name: 'target', label: 'To', example: 'task:breast' },
] as const;

function Filters({ filters }: { readonly filters: AuditFilters }) {
  const [wanted, setWanted] = useState(filters);
  const set = (name: keyof AuditFilters, text: string): void => {
    setWanted((before) => ({ ...before, [name]: text }));
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const given = auditFilterNames
      .map((name) => [name, wanted[name]?.trim() ?? ''] as const)
      .filter(([, text]) => text !== '');
    goTo({ page: 'audit', filters: Object.fromEntries(given) });
  };
  return (
    <form onSubmit={submit} role="search" aria-label="Audit log">
      <Group gap="sm" align="end">
        {fields.map(({ name, label, example }) => (
          <TextInput
            key={name}
            label={label}
            placeholder={example}
            size="xs"
            maxLength={128}
            value={wanted[name] ?? ''}
            onChange={(event) => set(name, event.currentTarget.value)}
          />
        ))}
        {(['from', 'to'] as const).map((name) => (
          <TextInput
            key={name}
            type="date"
            label={name === 'from' ? 'From' : 'To, that day too'}
            size="xs"
            value={wanted[name] ?? ''}
            onChange={(event) => set(name, event.currentTarget.value)}
          />
        ))}
        <Button type="submit" size="xs">
          Search
        </Button>
        {Object.keys(filters).length > 0 && (
          <Button
            component="a"
            size="xs"
            variant="default"
            href={addressOf({ page: 'audit', filters: {} })}
          >
            Show everything
          </Button>
        )}
      </Group>
    </form>
  );
}

function Entries({ filters }: { readonly filters: AuditFilters }) {
  const list = useList(
    (part) => auditRequest(filters, part),
    (answer) => answer.entries,
    ['sites', 'tasks', 'rounds'],
    pageSize,
  );
  if (list.data === undefined) return <Waiting error={list.error} />;
  return (
    <>
      <AuditTable name="Audit log" entries={list.data.items} />
      <ListEnd name="Audit log" list={list} />
    </>
  );
}

function Chain() {
  const { data: coordinator } = useResource(health);
  const { data, error } = useFresh(request('GET', '/v1/audit/head', auditHeadSchema), [
    'sites',
    'tasks',
    'rounds',
  ]);
  return (
    <Panel
      title="The chain"
      aside={
        <Button
          component="a"
          size="compact-sm"
          variant="default"
          href={targetOf('/v1/audit/export')}
          download="melo-audit.ndjson"
        >
          Export the whole log
        </Button>
      }
    >
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        <Stack gap="xs">
          <Facts
            facts={[
              ['Entries in the chain', formatCount(data.sequence)],
              ['Its last link', <Digest key="link" value={data.linkDigest} />],
            ]}
          />
          <SignedRecord name="The head, as the coordinator signs it now" envelope={data.head} />
          <Text size="sm">
            Each entry is bound to the one before it, and the head is signed: what was changed or
            cut out shows. Check an exported log on any machine, without this coordinator, with{' '}
            <Code>{`npx melo audit verify melo-audit.ndjson --key ${coordinator?.coordinatorFingerprint ?? 'FINGERPRINT'}`}</Code>
          </Text>
        </Stack>
      )}
    </Panel>
  );
}

/** The audit log. */
export function AuditPage({ filters }: { readonly filters: AuditFilters }) {
  const key = addressOf({ page: 'audit', filters });
  return (
    <>
      <PageTitle
        title="Audit log"
        note="What happened, by whom, to what; nothing is ever taken out of it."
      />
      <Panel title="Entries">
        <Stack gap="md">
          <Filters key={`filters ${key}`} filters={filters} />
          <Entries key={key} filters={filters} />
        </Stack>
      </Panel>
      <Chain />
    </>
  );
}
