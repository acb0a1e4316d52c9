/** A new task, step by step; it starts only after its cost was shown. */
import { Alert, Button, Checkbox, Group, Stack, Title } from '@mantine/core';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { z } from 'zod';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { useRun } from '../common/action-button.tsx';
import { announce } from '../common/notice.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Panel } from '../common/panel.tsx';
import { goTo } from '../router.ts';
import { CheckStep } from './check-step.tsx';
import { definitionOf, emptyDraft, problemsOf, type Draft } from './draft.ts';
import { HowStep, RoundsStep, SitesStep, WhatStep, type StepProps } from './steps.tsx';

interface Step {
  readonly label: string;
  readonly fields: readonly (keyof Draft)[];
  readonly show: (props: StepProps) => React.ReactNode;
}

const steps: readonly Step[] = [
  {
    label: 'What is learned',
    fields: ['task', 'title', 'classes', 'fingerprint'],
    show: (props) => <WhatStep {...props} />,
  },
  {
    label: 'Data and members',
    fields: ['samplesMinimum', 'members'],
    show: (props) => <SitesStep {...props} />,
  },
  {
    label: 'How',
    fields: ['rank', 'learningRate', 'epochs', 'batchSize'],
    show: (props) => <HowStep {...props} />,
  },
  {
    label: 'Rounds',
    fields: ['rounds', 'deadlineHours', 'quorumSites'],
    show: (props) => <RoundsStep {...props} />,
  },
  { label: 'Cost and start', fields: [], show: ({ draft }) => <CheckStep draft={draft} /> },
];

/** 32 bytes that nobody chose: two tasks should not share version 0. */
function freshSeed(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function StepList({ at }: { readonly at: number }) {
  return (
    <ol className="steps" aria-label="Steps">
      {steps.map(({ label }, index) => (
        <li key={label} aria-current={index === at ? 'step' : undefined}>
          {label}
        </li>
      ))}
    </ol>
  );
}

const isLastStep = (at: number): boolean => at === steps.length - 1;

function Buttons(props: {
  readonly at: number;
  readonly isBusy: boolean;
  readonly onBack: () => void;
}) {
  const { at, isBusy, onBack } = props;
  return (
    <Group gap="xs">
      {at > 0 && (
        <Button variant="default" onClick={onBack}>
          Back
        </Button>
      )}
      <Button type="submit" loading={isBusy}>
        {isLastStep(at) ? 'Create the task' : 'Next'}
      </Button>
    </Group>
  );
}

function Wizard() {
  const [draft, setDraft] = useState<Draft>(() => emptyDraft(freshSeed()));
  const [at, setAt] = useState(0);
  const [isChecked, setIsChecked] = useState(false);
  const [isStarted, setIsStarted] = useState(true);
  const { isBusy, failure, run } = useRun();
  const heading = useRef<HTMLHeadingElement>(null);
  const step = steps[at];
  useEffect(() => {
    if (at > 0) heading.current?.focus();
  }, [at]);
  if (step === undefined) return null;
  const isLast = isLastStep(at);
  const move = (to: number): void => {
    setIsChecked(false);
    setAt(to);
  };
  const create = (): void => {
    run(async () => {
      const { task } = await send(
        request('POST', '/v1/tasks', z.object({ task: z.string() }), {
          query: { start: isStarted ? 'true' : 'false' },
          body: definitionOf(draft),
        }),
      );
      live.look();
      announce(`${task} was created${isStarted ? ' and started' : ''}.`);
      goTo({ page: 'task', task, section: 'now' });
    });
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const problems = problemsOf(draft);
    if (isLast) create();
    else if (step.fields.some((name) => problems[name] !== undefined)) setIsChecked(true);
    else move(at + 1);
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="lg">
        <StepList at={at} />
        <Title order={3} size="h5" ref={heading} tabIndex={-1} className="page-title">
          {`${at + 1} of ${steps.length}: ${step.label}`}
        </Title>
        {step.show({
          draft,
          isChecked,
          onChange: (change) => setDraft((before) => ({ ...before, ...change })),
        })}
        {isLast && (
          <Checkbox
            label="Start it at once"
            checked={isStarted}
            onChange={(event) => setIsStarted(event.currentTarget.checked)}
          />
        )}
        {failure !== undefined && (
          <Alert color="red" title="The coordinator did not take it">
            {failure}
          </Alert>
        )}
        <Buttons at={at} isBusy={isBusy} onBack={() => move(at - 1)} />
      </Stack>
    </form>
  );
}

/** A new task. */
export function NewTaskPage() {
  return (
    <>
      <PageTitle title="New task" note="A definition never changes once the task is created." />
      <Panel title="Definition">
        <Wizard />
      </Panel>
    </>
  );
}
