/** A new task, step by step; it starts only after its cost was shown. */
import { Alert, Button, FileButton, Group, Stack, Title } from '@mantine/core';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { PageTitle } from '../common/page-title.tsx';
import { Panel } from '../common/panel.tsx';
import { CheckStep } from './check-step.tsx';
import { StartChoice, useCreation } from './create-task.tsx';
import { FileTask } from './file-task.tsx';
import { readDefinition, type ReadDefinition } from './read-definition.ts';
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
        <Button variant="default" disabled={isBusy} onClick={onBack}>
          Back
        </Button>
      )}
      <Button type="submit" loading={isBusy}>
        {isLastStep(at) ? 'Create the task' : 'Next'}
      </Button>
    </Group>
  );
}

/** What has been written, and at which step one is. */
interface Written {
  readonly draft: Draft;
  readonly at: number;
}

function Wizard(props: {
  readonly written: Written;
  readonly onWrite: (change: (before: Written) => Written) => void;
}) {
  const { written, onWrite } = props;
  const { draft, at } = written;
  const [isChecked, setIsChecked] = useState(false);
  const creation = useCreation();
  const heading = useRef<HTMLHeadingElement>(null);
  const step = steps[at];
  useEffect(() => {
    if (at > 0) heading.current?.focus();
  }, [at]);
  if (step === undefined) return null;
  const isLast = isLastStep(at);
  const move = (to: number): void => {
    setIsChecked(false);
    onWrite((before) => ({ ...before, at: to }));
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const problems = problemsOf(draft);
    if (isLast) creation.create(definitionOf(draft));
    else if (step.fields.some((name) => problems[name] !== undefined)) setIsChecked(true);
    else move(at + 1);
  };
  return (
    <form onSubmit={submit} noValidate className="form">
      <Stack gap="lg">
        <StepList at={at} />
        <Title order={3} size="h5" ref={heading} tabIndex={-1} className="page-title">
          {`${at + 1} of ${steps.length}: ${step.label}`}
        </Title>
        {step.show({
          draft,
          isChecked,
          onChange: (change) =>
            onWrite((before) => ({ ...before, draft: { ...before.draft, ...change } })),
        })}
        {isLast && <StartChoice creation={creation} />}
        <Buttons at={at} isBusy={creation.isBusy} onBack={() => move(at - 1)} />
      </Stack>
    </form>
  );
}

/** A new task: written here step by step, or out of a file. */
export function NewTaskPage() {
  /** It stays while a file is looked at instead. */
  const [written, setWritten] = useState<Written>(() => ({
    draft: emptyDraft(freshSeed()),
    at: 0,
  }));
  const [file, setFile] = useState<ReadDefinition>();
  const [loadCount, setLoadCount] = useState(0);
  const forget = useRef<() => void>(null);
  const take = (chosen: File | null): void => {
    if (chosen === null) return;
    void chosen.text().then((text) => {
      setFile(readDefinition(chosen.name, text));
      setLoadCount((before) => before + 1);
    });
    forget.current?.(); // the same file may be chosen again, mended
  };
  const loadButton = (
    <FileButton
      accept=".yaml,.yml"
      resetRef={forget}
      onChange={take}
      inputProps={{ 'aria-label': 'YAML file' }}
    >
      {(props) => (
        <Button {...props} size="compact-sm" variant="default">
          Load a YAML file
        </Button>
      )}
    </FileButton>
  );
  return (
    <>
      <PageTitle title="New task" note="A definition never changes once the task is created." />
      <Panel title="Definition" aside={loadButton}>
        {file?.problem !== undefined && (
          <Alert color="red" role="alert" mb="md" title="The file cannot be taken">
            {file.problem}
          </Alert>
        )}
        {file?.definition === undefined ? (
          <Wizard written={written} onWrite={setWritten} />
        ) : (
          <FileTask key={loadCount} {...file} onLeave={() => setFile(undefined)} />
        )}
      </Panel>
    </>
  );
}
