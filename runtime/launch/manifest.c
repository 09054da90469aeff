/*
 * manifest.c - see launch/manifest.h.
 */
#include "launch/manifest.h"
#include "base/json.h"
#include "start_priv.h"
#include <ctype.h>
#include <string.h>

/* A label of DNS (RFC 1035) that leaves room for "-INDEX". */
static void add_name(ptl_str *out, const char *name)
{
    enum { LONGEST = 40 };
    size_t begin = out->length;
    if (!isalpha((unsigned char)*name))
        str_add(out, "ptl-");
    for (; *name && out->length < begin + LONGEST; name++)
        if (isalnum((unsigned char)*name))
            str_addc(out, (char)tolower((unsigned char)*name));
        else if (out->data[out->length - 1] != '-')
            str_addc(out, '-');
    while (out->data[out->length - 1] == '-')
        out->data[--out->length] = '\0';
}

/* ---------- Kubernetes ---------- */

/* YAML takes JSON, so texts may hold what they like. */
static void add_args(const start_job *job, ptl_str *out)
{
    json_out j = {.text = out};
    json_open(&j, '[');
    json_text(&j, "ptlc");
    json_text(&j, "launch");
    for (int i = 0; i < job->word_count; i++)
        json_text(&j, job->words[i]);
    json_text(&j, "--");
    json_text(&j, job->file);
    json_close(&j, ']');
}

/* `$` stands for the job's name. */
static void add_named(ptl_str *out, const char *name, const char *text)
{
    for (; *text; text++)
        if (*text == '$')
            str_add(out, name);
        else
            str_addc(out, *text);
}

static const char service_text[] =
    "# Made by `ptlc launch --manifest k8s`. Say what runs (image), what it "
    "asks\n"
    "# for (resources) and where the file, data and run folder are (volumes).\n"
    "apiVersion: v1\n"
    "kind: Service\n"
    "metadata:\n"
    "  name: $\n"
    "spec:\n"
    "  clusterIP: None\n"
    "  publishNotReadyAddresses: true # processes find each other to become "
    "ready\n"
    "  selector:\n"
    "    app.kubernetes.io/name: $\n"
    "---\n"
    "apiVersion: batch/v1\n"
    "kind: Job\n"
    "metadata:\n"
    "  name: $\n"
    "spec:\n"
    "  completionMode: Indexed\n";

static const char policy_text[] =
    "  backoffLimit: 100\n"
    "  podFailurePolicy:\n"
    "    rules:\n"
    "      - action: FailJob # wrong file or usage, internal error, refused\n"
    "        onExitCodes:\n"
    "          containerName: ptlc\n"
    "          operator: In\n"
    "          values: [1, 2, 70, 78]\n"
    "      - action: Ignore\n"
    "        onPodConditions:\n"
    "          - type: DisruptionTarget\n"
    "            status: \"True\"\n"
    "      - action: Count # a peer was lost\n"
    "        onExitCodes:\n"
    "          containerName: ptlc\n"
    "          operator: In\n"
    "          values: [75]\n"
    "  template:\n"
    "    metadata:\n"
    "      labels:\n"
    "        app.kubernetes.io/name: $\n"
    "    spec:\n"
    "      subdomain: $\n"
    "      restartPolicy: Never\n"
    "      terminationGracePeriodSeconds: 300 # a checkpoint is written\n"
    "      containers:\n"
    "        - name: ptlc\n"
    "          image: ptlc:" PTL_VERSION "\n"
    "          command: ";

static const char environment_text[] =
    "\n"
    "          env:\n"
    "            - name: PTL_SERVICE\n"
    "              value: $\n"
    "            - name: PTL_PORT\n"
    "              value: \"2222\"\n"
    "            - name: PTL_JOB_ID\n"
    "              valueFrom:\n"
    "                fieldRef:\n"
    "                  fieldPath: "
    "metadata.labels['batch.kubernetes.io/controller-uid']\n";

static const char keys_text[] =
    "            - name: PTL_KEYS\n"
    "              value: /etc/ptl/keys\n"
    "          volumeMounts:\n"
    "            - name: keys\n"
    "              mountPath: /etc/ptl/keys\n"
    "              readOnly: true\n"
    "      volumes:\n"
    "        # ptlc launch FILE --make-keys keys\n"
    "        # kubectl create secret generic $-keys --from-file=keys\n"
    "        - name: keys\n"
    "          secret:\n"
    "            secretName: $-keys\n"
    "            defaultMode: 256 # 0400\n";

void manifest_k8s(const start_job *job, const char *name, bool curve,
                  ptl_str *out)
{
    ptl_str label = {0};
    int processes = job->servers + job->workers;
    add_name(&label, name);
    add_named(out, str_text(&label), service_text);
    str_printf(out, "  completions: %d # %d ps, %d workers\n", processes,
               job->servers, job->workers);
    str_printf(out, "  parallelism: %d\n", processes);
    add_named(out, str_text(&label), policy_text);
    add_args(job, out);
    add_named(out, str_text(&label), environment_text);
    str_printf(out,
               "            - name: PTL_SERVERS\n"
               "              value: \"%d\"\n"
               "            - name: PTL_WORKERS\n"
               "              value: \"%d\"\n",
               job->servers, job->workers);
    if (curve)
        add_named(out, str_text(&label), keys_text);
    str_fini(&label);
}

/* ---------- Slurm ---------- */

static void add_launch(const start_job *job, ptl_str *out)
{
    str_add(out, "ptlc launch");
    for (int i = 0; i < job->word_count; i++) {
        str_addc(out, ' ');
        shell_quote(out, job->words[i]);
    }
}

static void add_file(const start_job *job, ptl_str *out)
{
    str_add(out, " -- ");
    shell_quote(out, job->file);
    str_addc(out, '\n');
}

static void add_keys(const start_job *job, ptl_str *out)
{
    str_add(out, "PTL_KEYS=$PWD/ptl-keys-$SLURM_JOB_ID\n"
                 "export PTL_KEYS\n"
                 "if [ ! -d \"$PTL_KEYS\" ]; then\n  ");
    add_launch(job, out);
    str_add(out, " --make-keys \"$PTL_KEYS\"");
    add_file(job, out);
    str_add(out, "fi || exit\n\n");
}

static const char run_text[] =
    "# Started again, the run goes on from its last checkpoint.\n"
    "if ls \"$run\"/step-*/manifest.json >/dev/null 2>&1; then\n"
    "  set -- --resume \"$run\"\n"
    "else\n"
    "  set -- --out \"$run\"\n"
    "fi\n\n";

/* A killed task gives srun 137, whatever those give that lost it. */
static void add_end(ptl_str *out, bool curve)
{
    str_add(out, "status=$?\n"
                 "case $status in\n"
                 "75 | 137) scontrol requeue \"$SLURM_JOB_ID\" ;; # a process "
                 "was lost\n");
    if (curve)
        str_add(out, "*) rm -rf \"$PTL_KEYS\" ;;\n");
    str_add(out, "esac\nexit $status\n");
}

/* `folder` NULL: one of the job's own. */
static void add_run(ptl_str *out, const char *name, const char *folder)
{
    str_add(out, "run=");
    if (folder) {
        shell_quote(out, folder);
    } else {
        str_add(out, "runs/");
        add_name(out, name);
        str_add(out, "-$SLURM_JOB_ID");
    }
    str_addc(out, '\n');
    str_add(out, run_text);
}

void manifest_sbatch(const start_job *job, const char *name, const char *folder,
                     bool curve, ptl_str *out)
{
    str_add(out, "#!/bin/sh\n"
                 "# Made by `ptlc launch --manifest sbatch`.\n"
                 "#SBATCH --job-name=");
    add_name(out, name);
    str_printf(out, "\n#SBATCH --ntasks=%d\n", job->servers + job->workers);
    if (job->threads > 0)
        str_printf(out, "#SBATCH --cpus-per-task=%d\n", job->threads);
    str_add(out, "#SBATCH --requeue\n"
                 "#SBATCH --open-mode=append\n"
                 "# Time for a checkpoint before the job's time is up.\n"
                 "#SBATCH --signal=TERM@300\n\n");
    if (curve)
        add_keys(job, out);
    add_run(out, name, folder);
    str_add(out, "srun --kill-on-bad-exit=1 ");
    add_launch(job, out);
    str_add(out, " \"$@\"");
    add_file(job, out);
    add_end(out, curve);
}
