/*
 * test_schedule.c - recorded schedules: what is written is read, and whatever
 * is missing, damaged or another job's is told with file and line.
 */
#include "base/file.h"
#include "base/str.h"
#include "cluster/cluster.h"
#include "cluster/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ptl_schedule_XXXXXX";
static char path[64], parts[3][80];
static const char *const part_names[] = {"worker0", "ps0", "ps1"};
static ptl_error err;

static const schedule_head head = {.servers = 2,
                                   .workers = 2,
                                   .towers = 1,
                                   .buckets = 2,
                                   .first = 5,
                                   .agreement = "model = net\nbatch = 32\n"};
static const uint64_t rounds[] = {5, 1};

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/all", folder);
    for (int i = 0; i < 3; i++)
        snprintf(parts[i], sizeof parts[i], "%s.%s", path, part_names[i]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return folder_remove(folder, &err);
}

/* ---------- writing ---------- */

static schedule_record *begin(int part)
{
    schedule_record *r;
    assert_int_equal(
        record_open(parts[part], part_names[part], &head, rounds, &r, &err),
        PTL_OK);
    return r;
}

static void end(schedule_record *r)
{
    assert_int_equal(record_close(r, &err), PTL_OK);
}

static void tell(schedule_record *r, shard_event what, uint32_t bucket,
                 int worker, uint64_t round)
{
    shard_notice n = record_notice(r);
    n.tell(n.ctx, what, bucket, worker, round);
}

/* Two workers, a bucket with each parameter server. */
static void write_parts(void)
{
    schedule_record *r = begin(0);
    record_step(r, 6, 2, true);
    record_step(r, 7, 3, false);
    end(r);
    r = begin(1);
    tell(r, SHARD_EVENT_READ, 0, 0, 0);
    tell(r, SHARD_EVENT_READ, 0, 1, 0);
    tell(r, SHARD_EVENT_APPLY, 0, 1, 5);
    tell(r, SHARD_EVENT_READ, 0, 1, 0);
    tell(r, SHARD_EVENT_EMPTY, 0, 0, 5);
    tell(r, SHARD_EVENT_READ, 0, 0, 0);
    tell(r, SHARD_EVENT_SLOTS, 0, 0, 0);
    end(r);
    r = begin(2);
    tell(r, SHARD_EVENT_READ, 1, 1, 0);
    tell(r, SHARD_EVENT_READ, 1, 0, 0);
    end(r);
}

static void merge(void)
{
    bool merged;
    const char *const all[] = {parts[0], parts[1], parts[2]};
    write_parts();
    assert_int_equal(cluster_merge_schedule(path, all, 3, &merged, &err),
                     PTL_OK);
    assert_true(merged);
}

/* ---------- reading ---------- */

static void check_event(const schedule *s, int bucket, int index,
                        shard_event what, int worker, uint64_t round)
{
    const schedule_event *e = &s->buckets[bucket].data[index];
    assert_int_equal(e->what, what);
    assert_int_equal(e->worker, worker);
    assert_int_equal(e->round, round);
}

static void check_read(void)
{
    schedule s;
    assert_int_equal(schedule_read(path, &s, &err), PTL_OK);
    assert_int_equal(s.head.servers, 2);
    assert_int_equal(s.head.workers, 2);
    assert_int_equal(s.head.towers, 1);
    assert_int_equal(s.head.first, 5);
    assert_string_equal(s.head.agreement, head.agreement);
    assert_int_equal(s.buckets[0].count, 7);
    assert_int_equal(s.buckets[1].count, 2);
    check_event(&s, 0, 1, SHARD_EVENT_READ, 1, 5);
    check_event(&s, 0, 2, SHARD_EVENT_APPLY, 1, 5);
    check_event(&s, 0, 3, SHARD_EVENT_READ, 1, 6);
    check_event(&s, 0, 4, SHARD_EVENT_EMPTY, 0, 5);
    check_event(&s, 0, 6, SHARD_EVENT_SLOTS, 0, 6);
    check_event(&s, 1, 0, SHARD_EVENT_READ, 1, 1);
    assert_int_equal(s.steps.count, 2);
    assert_int_equal(s.steps.data[1].updates, 3);
    assert_true(s.steps.data[0].rated);
    assert_false(s.steps.data[1].rated);
    schedule_fini(&s);
}

static void what_is_written_is_read_in_parts_and_as_one(void **state)
{
    (void)state;
    write_parts();
    check_read();
    merge();
    for (int i = 0; i < 3; i++)
        assert_false(file_exists(parts[i]));
    check_read();
}

static void parts_that_are_elsewhere_are_left_alone(void **state)
{
    (void)state;
    bool merged;
    const char *const all[] = {parts[0], parts[1], parts[2]};
    remove(path);
    write_parts();
    remove(parts[2]);
    assert_int_equal(cluster_merge_schedule(path, all, 3, &merged, &err),
                     PTL_OK);
    assert_false(merged);
    assert_true(file_exists(parts[1]));
    assert_false(file_exists(path));
}

/* Unlike file_write_whole() it waits for no disk. */
static void put(const void *bytes, size_t size)
{
    remove(path); /* what is truncated is written to the disk at once */
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Reading ends with these words, and those of `line`. */
static void refuses(const char *words, const char *line)
{
    schedule s;
    assert_int_equal(schedule_read(path, &s, &err), PTL_E_DATA);
    schedule_fini(&s);
    if (!strstr(err.text, words) || !strstr(err.text, line))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.text, words,
                 line);
    assert_non_null(strstr(err.text, path));
}

/* The merged file, its first `from` made `to`. */
static void change(const char *from, const char *to)
{
    ptl_bytes bytes;
    ptl_str out = {0};
    merge();
    assert_int_equal(file_read(path, &bytes, &err), PTL_OK);
    const char *text = (const char *)bytes.data, *at = strstr(text, from);
    assert_non_null(at);
    str_printf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    bytes_free(&bytes);
    put(out.data, out.length);
    str_fini(&out);
}

static void a_schedule_that_breaks_off_is_refused_wherever_it_does(void **state)
{
    (void)state;
    ptl_bytes bytes;
    merge();
    assert_int_equal(file_read(path, &bytes, &err), PTL_OK);
    for (size_t size = 0; size < bytes.size; size++) {
        schedule s;
        put(bytes.data, size);
        assert_int_equal(schedule_read(path, &s, &err), PTL_E_DATA);
        schedule_fini(&s);
    }
    bytes_free(&bytes);
}

/* None of them is taken for another, whatever it is: no crash, and no schedule
 * with other numbers of processes. */
static void any_byte_may_be_another(void **state)
{
    (void)state;
    ptl_bytes bytes;
    merge();
    assert_int_equal(file_read(path, &bytes, &err), PTL_OK);
    for (size_t i = 0; i < bytes.size; i++) {
        static const char others[] = {'\0', '9', '\n', '-', ' '};
        unsigned char was = bytes.data[i];
        for (size_t k = 0; k < sizeof others; k++) {
            schedule s;
            bytes.data[i] = (unsigned char)others[k];
            put(bytes.data, bytes.size);
            if (schedule_read(path, &s, &err) == PTL_OK)
                assert_int_equal(s.head.workers, 2);
            schedule_fini(&s);
        }
        bytes.data[i] = was;
    }
    bytes_free(&bytes);
}

static void damage_is_told_with_its_line(void **state)
{
    (void)state;
    change("ptl schedule 1", "ptl schedule 2");
    refuses("version 2", "line 1:");
    change("workers 2", "workers two");
    refuses("not understood in a head", "line 3:");
    change("workers 2\n", "");
    refuses("does not say of which job", "line 8:");
    change("step 7", "step 8");
    refuses("step 8 is where step 7 should be", "line 11:");
    change("end 2", "end 3");
    refuses("here are 2 events, and 3 were recorded", "line 12:");
    change("apply 0 1 5", "aply 0 1 5");
    refuses("not understood", "line 24:");
    change("apply 0 1 5", "apply 0 2 5");
    refuses("no event", "line 24:");
    change("apply 0 1 5", "apply 0 1 6");
    refuses("does not follow", "line 24:");
    change("read 0 1 6\n", "");
    refuses("here are 6 events", "line 28:");
    change("read 1 1 1", "read 0 1 7");
    refuses("bucket 0 is another process's", "line 39:");
    change("of ps1", "of ps0");
    refuses("was there before", "line 30:");
    change("of ps1", "of ps2");
    refuses("ps 2 of 2", "line 38:");
}

static void a_part_is_missed(void **state)
{
    (void)state;
    schedule s;
    change("ptl schedule 1 of ps1", "ptl schedule 1 of ps1");
    ptl_bytes bytes;
    assert_int_equal(file_read(path, &bytes, &err), PTL_OK);
    const char *second = strstr((char *)bytes.data, "ptl schedule 1 of ps1");
    size_t size = (size_t)(second - (char *)bytes.data);
    put(bytes.data, size);
    bytes_free(&bytes);
    refuses("has no part of ps 1", "");
    write_parts();
    remove(parts[2]);
    assert_int_equal(schedule_read(path, &s, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "ps1"));
    schedule_fini(&s);
    for (int i = 0; i < 2; i++)
        remove(parts[i]);
    remove(path);
    assert_int_equal(schedule_read(path, &s, &err), PTL_E_IO);
    schedule_fini(&s);
}

static void parts_of_two_jobs_make_no_schedule(void **state)
{
    (void)state;
    change("of ps1\nservers 2\nworkers 2\ntowers 1\nbuckets 2\nfirst 5\n"
           "agreed model = net",
           "of ps1\nservers 2\nworkers 2\ntowers 1\nbuckets 2\nfirst 5\n"
           "agreed model = nut");
    refuses("another job than those before", "line 38:");
}

static void a_schedule_of_another_job_is_refused_by_the_difference(void **state)
{
    (void)state;
    schedule s;
    merge();
    assert_int_equal(schedule_read(path, &s, &err), PTL_OK);
    assert_int_equal(schedule_check(&s, head.agreement, &err), PTL_OK);
    assert_int_equal(schedule_check(&s, "model = net\nbatch = 64\n", &err),
                     PTL_E_DATA);
    assert_non_null(strstr(err.text, "it has `batch = 32`, and this run has "
                                     "`batch = 64`"));
    assert_int_equal(schedule_check(&s, "model = net\n", &err), PTL_E_DATA);
    schedule_fini(&s);
}

static void a_job_whose_members_changed_cannot_be_replayed(void **state)
{
    (void)state;
    write_parts();
    schedule_record *r = begin(2);
    tell(r, SHARD_EVENT_READ, 1, 1, 0);
    tell(r, SHARD_EVENT_AGAIN, 1, 0, 2);
    end(r);
    schedule s;
    assert_int_equal(schedule_read(path, &s, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "members changed while it ran (epoch 2)"));
    schedule_fini(&s);
    for (int i = 0; i < 3; i++)
        remove(parts[i]);
}

/* Its process was killed. */
static void a_part_that_was_not_ended_breaks_off(void **state)
{
    (void)state;
    write_parts();
    schedule_record *r = begin(0);
    schedule s;
    assert_int_equal(schedule_read(path, &s, &err), PTL_E_DATA);
    assert_non_null(strstr(err.text, "worker0\", line 9: it breaks off: the "
                                     "process that wrote it did not end"));
    schedule_fini(&s);
    end(r);
    for (int i = 0; i < 3; i++)
        remove(parts[i]);
}

static void what_cannot_be_written_is_told(void **state)
{
    (void)state;
    schedule_record *r;
    assert_int_equal(record_open("/nowhere/x", "ps0", &head, rounds, &r, &err),
                     PTL_E_IO);
    assert_non_null(strstr(err.text, "/nowhere/x"));
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(record_open("/dev/full", "ps0", &head, rounds, &r, &err),
                     PTL_OK);
    tell(r, SHARD_EVENT_READ, 1, 1, 0);
    assert_int_equal(record_close(r, &err), PTL_E_IO);
    assert_non_null(strstr(err.text, "/dev/full"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_in_parts_and_as_one),
        cmocka_unit_test(parts_that_are_elsewhere_are_left_alone),
        cmocka_unit_test(
            a_schedule_that_breaks_off_is_refused_wherever_it_does),
        cmocka_unit_test(any_byte_may_be_another),
        cmocka_unit_test(damage_is_told_with_its_line),
        cmocka_unit_test(a_part_is_missed),
        cmocka_unit_test(parts_of_two_jobs_make_no_schedule),
        cmocka_unit_test(
            a_schedule_of_another_job_is_refused_by_the_difference),
        cmocka_unit_test(a_job_whose_members_changed_cannot_be_replayed),
        cmocka_unit_test(a_part_that_was_not_ended_breaks_off),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
