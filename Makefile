# keyacct: build, test and install.
#
#   make                   all parts, into build/
#   make check             install what is missing, build, run every test (root)
#   make torture flood     kill it ten thousand times; 200 clients at once
#   make demo              install what is missing, build, play the story with a real sshd (root)
#   make lint              what analyzers find without running anything: C, shell, manual pages
#   make package           Debian packages, tried in a Debian of their own (root)
#   make install DESTDIR=  every part where Debian expects it
#
# Packagers: PREFIX, DATADIR, CC, CFLAGS, LDFLAGS are yours; WERROR is off unless CI sets it.

MAKEFLAGS   += --no-builtin-rules

PREFIX       = /usr
ifeq ($(origin CC),default)
CC           = gcc
endif
MULTIARCH   := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR       = $(PREFIX)/lib/$(MULTIARCH)
PAMDIR       = $(LIBDIR)/security
LIBEXECDIR   = $(PREFIX)/libexec
SBINDIR      = $(PREFIX)/sbin
SHAREDIR     = $(PREFIX)/share/keyacct
DOCDIR       = $(PREFIX)/share/doc/keyacct
MANDIR       = $(PREFIX)/share/man
UNITDIR      = $(PREFIX)/lib/systemd/system
COMPLETIONS  = $(PREFIX)/share/bash-completion/completions
# Where the database lives. NSS takes it from here alone: it must not trust an environment or an option.
DATADIR      = /var/lib/keyacct
RUNDIR       = /run/keyacct

VERSION     := 0.1.0
B            = build
CFLAGS      ?= -O2 -g
WERROR       = $(if $(CI),-Werror)
WARN         = -Wall -Wextra -Wshadow -Wcast-qual -Wwrite-strings -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
               -Wconversion -Wsign-conversion -Wvla -Wundef $(WERROR)
HARDEN       = -fstack-protector-strong -fstack-clash-protection -fcf-protection
FORTIFY      = $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
LDHARDEN     = -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections
SANITIZE     =
CPPFLAGS_KA  = -I. -D_GNU_SOURCE $(FORTIFY) -DKA_VERSION='"$(VERSION)"' -DKA_DATADIR='"$(DATADIR)"' \
               -DKA_RUNDIR='"$(RUNDIR)"' -DKA_TOOL='"$(SBINDIR)/keyacct"' -DKA_SHAREDIR='"$(SHAREDIR)"' \
               -DKA_HELPER='"$(LIBEXECDIR)/keyacct-keys"' -DKA_LIBDIR='"$(LIBDIR)"' -DKA_PAMDIR='"$(PAMDIR)"'
COMPILE      = $(CC) -std=c11 $(CPPFLAGS_KA) $(CPPFLAGS) $(CFLAGS) $(WARN) $(HARDEN) $(SANITIZE) -fPIC -ffunction-sections \
               -fdata-sections -MMD -MP
LINK         = $(CC) $(CFLAGS) $(SANITIZE) $(LDHARDEN) $(LDFLAGS)
# The helper starts twice in every login: without a dynamic loader it costs a third less. A sanitizer needs the loader.
STATIC       = $(if $(SANITIZE),,-static-pie)

# What NSS, PAM and the helper are made of: libc alone.
CORE   := uuid time base64 fingerprint text address table policy record view access logline spool process session result
# What only root's tool may use: liblmdb, libcrypto.
ADMIN  := lock store_file store_file_whole store store_names store_create store_mend sound backup restore catalog registration \
          membership model settings check usage sshkey paste registry tree terminal claim chase ending
TOOL   := $(basename $(notdir $(wildcard keyacct/*.c)))
TOOL   := $(filter-out keyacct-keys,$(TOOL))

# Being loaded is most of what a lookup costs the process that asks once: one mapping for code and constants instead of
# three, and no start files, whose constructors would do nothing here.
NSSLINK  = $(if $(SANITIZE),,-nostartfiles -Wl,-z,noseparate-code -Wl,-O1)

CORE_A   = $B/libkeyacct-core.a
ADMIN_A  = $B/libkeyacct-admin.a
PARTS    = $B/libnss_keyacct.so.2 $B/pam_keyacct.so $B/keyacct-keys $B/keyacct
ADMINLIB = -llmdb -lcrypto -pthread

all: $(PARTS) $B/00-keyacct.conf $B/keyacct-sweep.service

# Other flags make other objects: what they were is a file that everything depends on.
FLAGS := $(COMPILE) $(LINK) $(STATIC) $(NSSLINK)
$B/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
FORCE:

$B/obj/%.o: %.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

$(CORE_A): $(CORE:%=$B/obj/common/%.o)
	rm -f $@ && ar rcs $@ $^
$(ADMIN_A): $(ADMIN:%=$B/obj/common/%.o)
	rm -f $@ && ar rcs $@ $^

$B/libnss_keyacct.so.2: $B/obj/nss_keyacct/nss_keyacct.o $(CORE_A) nss_keyacct/nss_keyacct.map
	$(LINK) $(NSSLINK) -shared -Wl,-soname,libnss_keyacct.so.2 -Wl,--version-script=nss_keyacct/nss_keyacct.map -Wl,-z,nodelete \
	    -o $@ $(filter %.o %.a,$^)
$B/pam_keyacct.so: $(patsubst %.c,$B/obj/%.o,$(wildcard pam_keyacct/*.c)) $(CORE_A) pam_keyacct/pam_keyacct.map
	$(LINK) -shared -Wl,--version-script=pam_keyacct/pam_keyacct.map -o $@ $(filter %.o %.a,$^) -lpam -lcrypto
$B/keyacct-keys: $B/obj/keyacct/keyacct-keys.o $(CORE_A)
	$(LINK) $(STATIC) -o $@ $^
# What the tests reach of the tool.
$B/libkeyacct-tool.a: $(patsubst %,$B/obj/keyacct/%.o,$(filter-out main,$(TOOL)))
	rm -f $@ && ar rcs $@ $^

$B/keyacct: $(TOOL:%=$B/obj/keyacct/%.o) $(ADMIN_A) $(CORE_A)
	$(LINK) -pie -o $@ $^ $(ADMINLIB) -ljansson -lsmartcols -lpam

# Tests
UNIT = $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c))
$B/tests/%: $B/obj/tests/unit/%.o $(ADMIN_A) $(CORE_A)
	@mkdir -p $(@D)
	$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(ADMINLIB) -lcmocka -lpam
$B/tests/test_host_files: $B/obj/keyacct/host_files.o
-include $(wildcard $B/obj/*/*.d $B/obj/tests/*/*.d)

# The reader beside writers that never rest; and the same with the reader's rule loosened, which the tests must find out.
STRESS_O = $(patsubst %.c,$B/obj/%.o,$(wildcard tests/stress/*.c))
MUTANTS  = $(addprefix $B/stress-slack,2 3 1000000000)
$B/stress: $(STRESS_O) $(CORE_A)
	$(LINK) -Wl,--wrap=pread -o $@ $^ -llmdb -pthread
$B/stress-slack%: $(STRESS_O) $B/obj/tests/stress/view-slack%.o $(CORE_A)
	$(LINK) -Wl,--wrap=pread -o $@ $^ -llmdb -pthread
$B/obj/tests/stress/view-slack%.o: common/view.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) -DKA_VIEW_SLACK=$* -c -o $@ $<
.SECONDARY: $(MUTANTS:$B/stress-%=$B/obj/tests/stress/view-%.o)

# The runner knows libpam alone: the module comes in through a stack, as in sshd.
PAMTEST = $B/tests/pam_runner $B/tests/pam_fixture
$B/tests/pam_runner: $B/obj/tests/pam/runner.o
	@mkdir -p $(@D)
	$(LINK) -rdynamic -o $@ $^ -lpam
$B/tests/pam_fixture: $B/obj/tests/pam/fixture.o $(ADMIN_A) $(CORE_A)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(ADMINLIB)

# Hosts of the modules. They have a malloc of their own or limits that a sanitizer cannot bear, so they are always plain;
# and a read of their own, which the headers must not have inlined before.
HOST = $(addprefix $B/tests/,$(addprefix host/,guest nss_failing pam_failing pam_threads neighbour) sshd/escape)
$(HOST): override SANITIZE =
$(HOST): override FORTIFY = -U_FORTIFY_SOURCE
$(HOST): $B/tests/%: tests/%.c $B/flags
	@mkdir -p $(@D)
	$(COMPILE) -rdynamic -o $@ $< -lpam -pthread
$B/tests/host/commits $B/tests/host/newer: $B/tests/host/%: $B/obj/tests/host/%.o $(ADMIN_A) $(CORE_A)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(ADMINLIB)
# Both modules' code under the thread sanitizer: clang's, since gcc's does not know fences.
TSAN_OBJ = $(addprefix $B/tsan/,obj/tests/host/races.o obj/nss_keyacct/nss_keyacct.o obj/pam_keyacct/authinfo.o \
           libkeyacct-core.a)
tsan:
	@$(MAKE) --no-print-directory B=$B/tsan CC=clang-14 SANITIZE=-fsanitize=thread CFLAGS='-O1 -g' $(TSAN_OBJ)
$B/tests/host/races: tsan
	@mkdir -p $(@D)
	clang-14 -fsanitize=thread -o $@ $(TSAN_OBJ) -lcrypto

tests: $(HOST) $B/tests/host/commits $B/tests/host/newer $B/tests/host/races
tests: all $(UNIT) $(PAMTEST) $B/stress $(MUTANTS) $B/torture $B/recorder.so

# SUITES="unit cli/key" runs these alone.
SUITES =
check:
	@tests/deps
	@$(MAKE) --no-print-directory tests >/dev/null
	@tests/run $(SUITES)

# The same suites under ASan and UBSan. A module that is built so cannot be loaded into a stock sshd or getent, so there the
# plain ones are installed, and the unit and PAM programs load the others.
ASAN = B=build-asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all' CFLAGS='-O1 -g'
check-asan:
	@tests/deps
	@$(MAKE) --no-print-directory tests >/dev/null
	@$(MAKE) --no-print-directory $(ASAN) tests >/dev/null
	@KEYACCT_BUILD=$(CURDIR)/build-asan KEYACCT_MODULES=$(CURDIR)/build tests/run $(SUITES)

# Ten minutes of the stress test, a taste of which is in the suites.
stress:
	@tests/deps
	@$(MAKE) --no-print-directory $B/stress >/dev/null
	@$B/stress --seconds 600 --disk $B

# Ten thousand commands, notes and drains killed at random moments; two hundred are in the suites.
$B/torture: $B/obj/tests/torture/torture.o $(ADMIN_A) $(CORE_A)
	$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(ADMINLIB)
$B/recorder.so: tests/torture/recorder.c $B/flags
	$(CC) -D_GNU_SOURCE -shared -fPIC -O1 $(WARN) -o $@ $< -ldl
torture:
	@tests/deps
	@$(MAKE) --no-print-directory all $B/torture $B/recorder.so >/dev/null
	@$B/torture --kills $(or $(KILLS),10000) $B/keyacct
	@tests/torture/powercut --cuts $(or $(CUTS),1000) $B

# A minute of 200 clients at once, most of whom must not get in.
flood:
	@tests/deps
	@$(MAKE) --no-print-directory all >/dev/null
	@tests/world --sshd env FLOOD_SECONDS=$(or $(SECONDS),60) FLOOD_CLIENTS=$(or $(CLIENTS),200) \
	    bats --show-output-of-passing-tests tests/sshd/flood.bats

# Every fuzzer for SECONDS; two seconds each are in the suites.
fuzz:
	@tests/deps
	@tests/fuzz/run $(or $(SECONDS),300)

# The figures that the README gives, each a ratio measured in one run.
BENCH = $(addprefix $B/bench/,fill pairs noop)
bench:
	@tests/deps
	@$(MAKE) --no-print-directory all $(BENCH) >/dev/null
	@tests/world tests/bench/bench
# The short way between projects against an outside name that means a gateway.
bench-near: all $B/bench/pairs
	@tests/world --sshd tests/bench/near
# Does the time of a refusal tell whether there is a project?
bench-strangers: all $B/bench/noop
	@tests/world --sshd tests/bench/strangers
$B/bench/fill: $B/obj/tests/bench/fill.o $(ADMIN_A) $(CORE_A)
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(ADMINLIB)
$B/bench/pairs: $B/obj/tests/bench/pairs.o
	@mkdir -p $(@D)
	$(LINK) -o $@ $^
$B/bench/noop: $B/obj/tests/bench/noop.o
	@mkdir -p $(@D)
	$(LINK) -static -o $@ $^

# The Debian packages, installed, upgraded, removed and purged in a Debian of their own (root, and the network once).
package:
	@tests/package

# The static part: changes nothing.
lint:
	@tests/deps clang-format clang-tidy-14 cppcheck graphviz shellcheck
	@tests/lint

# Kept in the tree, because the README shows it.
doc/login.svg: doc/login.dot
	dot -Tsvg $< >$@

demo:
	@tests/deps
	@$(MAKE) --no-print-directory all >/dev/null
	@tests/world tests/demo

# Another directory than the helper's own has to be named to it.
$B/00-keyacct.conf: share/00-keyacct.conf $B/flags
	sed 's,@HELPER@,$(LIBEXECDIR)/keyacct-keys$(if $(filter-out /var/lib/keyacct,$(DATADIR)), --dir $(DATADIR)),' $< >$@

$B/keyacct-sweep.service: share/keyacct-sweep.service $B/flags
	sed 's,@TOOL@,$(SBINDIR)/keyacct,; s,@RUNDIR@,$(RUNDIR),' $< >$@

.DELETE_ON_ERROR:

# Installation: DESTDIR is for packagers; the demo and the tests install into a private copy of the host's files.
INSTALL = install
MODULES = $B
# Over a host in service: no process may ever find a file missing or half written.
replace = $(INSTALL) -m $1 $2 $(DESTDIR)$3/.$(notdir $2).new && mv -f $(DESTDIR)$3/.$(notdir $2).new $(DESTDIR)$3/$(notdir $2)
install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR) $(PAMDIR) $(LIBEXECDIR) $(SBINDIR) $(SHAREDIR) $(DOCDIR)/examples \
	    $(MANDIR)/man5 $(MANDIR)/man7 $(MANDIR)/man8 $(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d $(UNITDIR) $(COMPLETIONS))
	$(call replace,644,$(MODULES)/libnss_keyacct.so.2,$(LIBDIR))
	$(call replace,644,$(MODULES)/pam_keyacct.so,$(PAMDIR))
	$(call replace,755,$B/keyacct-keys,$(LIBEXECDIR))
	$(call replace,755,$B/keyacct,$(SBINDIR))
	$(INSTALL) -m 644 $B/00-keyacct.conf share/sshd.account.pam share/sshd.session.pam share/cron.account.pam share/nsswitch.sed $(DESTDIR)$(SHAREDIR)/
	$(INSTALL) -m 755 $(shell find examples -type f -perm -100) $(DESTDIR)$(DOCDIR)/examples/
	$(INSTALL) -m 644 $(shell find examples -type f ! -perm -100) $(DESTDIR)$(DOCDIR)/examples/
	$(INSTALL) -m 644 share/keyacct.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/keyacct.conf
	$(INSTALL) -m 644 share/keyacct.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/keyacct.conf
	$(INSTALL) -m 644 share/bash-completion $(DESTDIR)$(COMPLETIONS)/keyacct
	$(INSTALL) -m 644 $B/keyacct-sweep.service share/keyacct-sweep.timer $(DESTDIR)$(UNITDIR)/
	$(foreach n,5 7 8,$(INSTALL) -m 644 $(wildcard */*.$n) $(DESTDIR)$(MANDIR)/man$n/ &&) :
	# A page is found by each name that it gives itself: "man keyacct who".
	for page in $(notdir $(wildcard keyacct/keyacct-*.8)); do \
	    sed -n 's/^\.Nm \(keyacct-[a-z-]*\)\( ,\)*$$/\1.8/p' keyacct/$$page | grep -vx $$page | \
	    while read -r name; do ln -sf $$page $(DESTDIR)$(MANDIR)/man8/$$name; done; \
	done

format:
	clang-format -i $(shell git ls-files '*.[ch]')

clean:
	rm -rf build build-* $B
.PHONY: all tests tsan check check-asan stress torture flood fuzz bench bench-near bench-strangers lint package demo install
.PHONY: format clean
