/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The families of metrics, in the order in which they are printed.  Tests compare the
 * page on monitoring, the dashboard and the alerts with what is printed.
 *
 * FAMILY (id, name, type, help)
 *
 * No include guard: included with FAMILY defined, which is undefined at the end. */

/* Of the daemon. */
FAMILY (BUILD, "pullback_build_info", GAUGE,
        "The version of the daemon; the value is 1.")
FAMILY (START, "pullback_start_time_seconds", GAUGE,
        "When the daemon was started, since 1970.")
FAMILY (CLIENTS, "pullback_control_clients", GAUGE,
        "Clients of the control socket.")
FAMILY (DOMAINS, "pullback_domains", GAUGE, "Registered domains.")
FAMILY (BEGUN, "pullback_backups_begun_total", COUNTER,
        "Backups begun since the daemon was started.")
FAMILY (ENDED, "pullback_backups_ended_total", COUNTER,
        "Backups ended since then, by result and cause.")
FAMILY (RUNNING, "pullback_backups_running", GAUGE, "Backups that run.")

/* Of a domain. */
FAMILY (REGISTERED, "pullback_domain_registered", GAUGE,
        "1 for each registered domain.")
FAMILY (CONNECTED, "pullback_domain_connected", GAUGE,
        "Whether the daemon is connected to QEMU, as it is while it works.")
FAMILY (FROZEN, "pullback_domain_may_be_frozen", GAUGE,
        "Whether the guest's file systems may be frozen by a lost agent.")
FAMILY (CHECKPOINTS, "pullback_domain_checkpoints", GAUGE,
        "Checkpoints of the domain.")
FAMILY (COMMITTED, "pullback_domain_last_commit_time_seconds", GAUGE,
        "When the newest committed backup ended, since 1970.")
FAMILY (LAST_START, "pullback_domain_last_backup_start_time_seconds", GAUGE,
        "When the newest ended backup began, since 1970.")
FAMILY (LAST_END, "pullback_domain_last_backup_end_time_seconds", GAUGE,
        "When it ended, however that was.")
FAMILY (LAST_DURATION, "pullback_domain_last_backup_duration_seconds", GAUGE,
        "How long it took, from begin to end.")
FAMILY (LAST_FROZEN, "pullback_domain_last_backup_frozen_seconds", GAUGE,
        "How long its freeze took.")
FAMILY (LAST_DIRTY, "pullback_domain_last_backup_dirty_bytes", GAUGE,
        "What its incremental disks had changed.")
FAMILY (LAST_SERVED, "pullback_domain_last_backup_served_bytes", GAUGE,
        "What its clients have read, once counted.")
FAMILY (LAST_INFO, "pullback_domain_last_backup_info", GAUGE,
        "Its result, cause, mode and why it was full; the value is 1.")
FAMILY (FULLS, "pullback_domain_consecutive_fulls", GAUGE,
        "Full backups in a row though incremental ones were asked for.")

/* Of the backup that runs. */
FAMILY (STATE, "pullback_backup_state", GAUGE,
        "1 for the state that the backup is in.")
FAMILY (STARTED, "pullback_backup_start_time_seconds", GAUGE,
        "When it became ready, since 1970.")
FAMILY (HELD, "pullback_backup_frozen_seconds", GAUGE,
        "How long its freeze took.")
FAMILY (QUIESCED, "pullback_backup_quiesced_seconds", GAUGE,
        "How long the guest's file systems were frozen for it.")
FAMILY (ADOPTED, "pullback_backup_adopted_total", COUNTER,
        "How often a daemon has taken it over from one before.")
FAMILY (RESTARTS, "pullback_backup_process_restarts_total", COUNTER,
        "How often each of its processes was started again.")
FAMILY (RATE, "pullback_backup_rate_bytes_per_second", GAUGE,
        "What clients were served in the last second.")
FAMILY (LIMIT, "pullback_backup_rate_limit_bytes_per_second", GAUGE,
        "What they may be served now; absent without a limit.")
FAMILY (MAX_RATE, "pullback_backup_max_rate_bytes_per_second", GAUGE,
        "What they may be served at most; absent without a limit.")
FAMILY (PACE, "pullback_backup_pace", GAUGE,
        "1 for the mode in which it is paced.")
FAMILY (GUEST, "pullback_backup_guest_state", GAUGE,
        "1 for what pacing takes the guest to be doing.")
FAMILY (SCRATCH, "pullback_backup_scratch_used_bytes", GAUGE,
        "Old data in the scratch folder.")
FAMILY (SCRATCH_LIMIT, "pullback_backup_scratch_limit_bytes", GAUGE,
        "How much that may be; absent without a limit.")
FAMILY (SCRATCH_WRITES, "pullback_backup_scratch_writes_total", COUNTER,
        "Writes of old data to the sink.")
FAMILY (WAIT, "pullback_backup_scratch_wait_seconds", HISTOGRAM,
        "How long guest writes waited for the sink.")
FAMILY (WAIT_MAX, "pullback_backup_scratch_wait_max_seconds", GAUGE,
        "The longest of these.")

/* Of a disk of it. */
FAMILY (DISK_SIZE, "pullback_backup_disk_size_bytes", GAUGE,
        "The disk's size.")
FAMILY (DISK_INCREMENTAL, "pullback_backup_disk_incremental", GAUGE,
        "Whether it is an incremental one.")
FAMILY (DISK_DIRTY, "pullback_backup_disk_dirty_bytes", GAUGE,
        "What has changed since its checkpoint.")
FAMILY (DISK_SERVED, "pullback_backup_disk_served_bytes", GAUGE,
        "What clients have read, once counted.")
FAMILY (DISK_LEFT, "pullback_backup_disk_left_bytes", GAUGE,
        "What they have not read yet of what there is to read.")
FAMILY (DISK_SCRATCH, "pullback_backup_disk_scratch_bytes", GAUGE,
        "What its fleece store takes.")

#undef FAMILY
