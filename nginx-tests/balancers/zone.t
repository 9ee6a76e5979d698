# A zone: what one worker learns of a server holds for the sessions of all.
#
# nginx has three workers, and port 1983 spreads connections over them (lib/Upstreams.pm). A, B and C are servers that
# answer with their name, D is dead.
# Sections of this file's own:
#   upstream  what stands in "upstream u", beside "session_sticky"
#   client    see lib/Client.pm
# A block whose text has BALANCER is there once for each balancer that this nginx has.

use Sticky qw(Nginx Upstreams Visits);

my @all = (@balancers, $version >= 31 ? ('least_time header;', 'least_time last_byte inflight;') : ());
my $zones = 0;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    my $upstream = addressed($block->upstream);
    my @here = $upstream =~ /BALANCER/ ? @all : ('');
    # The hashes and random know no backups.
    @here = grep { !/hash|random/ } @here if $upstream =~ /backup/;
    my $http = '';
    for my $at (0 .. $#here) {
        $zones++;
        my $text = $upstream =~ s/BALANCER/$here[$at]/r;
        $http .= "upstream u$at { zone zone_$zones 64k; $text }\n";
    }
    $block->set_value(http_config => servers(qq[location / { return 200 "NAME\\n"; }\n], qw(A B C)) . entrance($http));
    $block->set_value(workers => 3);
    # For each balancer: its name, and the path that leads to it.
    $block->set_value(client => <<'_EOC_' . $block->client . "\n}") if $upstream =~ /BALANCER/;
my $at = 0;
for my $balancer (@balancers_here) {
    my $path = '/u' . $at++ . '/';
_EOC_
    my $names = join ', ', map { "'" . ($_ || 'round robin') . "'" } @here;
    $block->set_value(client => "my \@balancers_here = ($names);\n" . $block->client);
});
master_on();
worker_connections(256);
run_tests();

__DATA__

=== a session sticks in every worker, and each calls a server by the same id
--- upstream
BALANCER
server A:;
server B:;
server C:;
session_sticky;
--- client
for my $name (qw(A B C)) {
    my @visits = everywhere($path, "route=$id{$name}");
    equals(bodies(@visits), $name, "$balancer: every worker sends the client of $name there");
    equals(cookies(@visits), '', "$balancer: and sets no cookie");
}
my @first = everywhere($path);
my $wrong = grep { bound($_) ne $id{substr body($_), 0, 1} } @first;
equals($wrong, 0, "$balancer: every worker names the server that answered");



=== max_fails: failures of bound requests add up over the workers, for bound requests and the balancer
--- upstream
BALANCER
server A:;
server D: max_fails=3 fail_timeout=60s;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{D}");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @bound), 3, "$balancer: three bound requests in all find it dead");
equals(bodies(@bound), 'A', "$balancer: each is answered by the other");
equals(cookies(@bound), $id{A}, "$balancer: and its client bound to it");
equals(tried(everywhere($path)), '127.0.0.1:1985', "$balancer: no first visitor tries it, in no worker");



=== max_fails, fallback=off: every worker learns by three failures that the server is dead, every request gets 502
--- upstream
BALANCER
server A:;
server D: max_fails=3 fail_timeout=60s;
session_sticky fallback=off;
--- client
my @bound = everywhere($path, "route=$id{D}");
equals(bodies(@bound), '502', "$balancer: none moves");
my (%visits, %dialled);
for my $response (@bound) {
    my $worker = head('X-Worker', $response);
    $visits{$worker}++;
    $dialled{$worker} += head('X-Tried', $response) =~ /:1999/;
}
my @learnt = map { $visits{$_} < 3 ? $visits{$_} : 3 } sort keys %visits;
equals(join(' ', map { $dialled{$_} } sort keys %visits), "@learnt", "$balancer: three of each worker find it dead");



=== fail_timeout: the one that finds the server back tells all workers
--- upstream
server A:;
server D: max_fails=1 fail_timeout=2s;
session_sticky;
--- client
my $path = '/u0/';
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } everywhere($path, "route=$id{D}")), 1, 'one finds it dead');
my $server = serve(1999);
my $back = soon(sub {
    my $asked = ask($path, "route=$id{D}", 1983);
    my $taken = taken($server, 0.3) or return response($asked) && 0;
    answer($taken, 'back');
    return body(response($asked)) eq 'back';
});
holds($back, 'after fail_timeout one finds it back');
my %workers;
for (1 .. 200) {
    my $asked = ask($path, "route=$id{D}", 1983);
    my $taken = taken($server) or last;
    answer($taken, 'back');
    $workers{head('X-Worker', response($asked))}++;
    last if keys %workers == 3;
}
equals(scalar(keys %workers), 3, 'every worker sends its sessions there again');



=== max_conns: a bound request in one worker fills the server for all, until it is answered
--- upstream
BALANCER
server A:;
server 127.0.0.1:1991 max_conns=1;
session_sticky hash=plain;
--- client
my $mine = 'route=127.0.0.1:1991';
my $server = serve(1991);
my $first = ask($path, $mine, 1983);
my $held = taken($server);
holds($held, "$balancer: a bound request is at its server");
my @others = everywhere($path, $mine);
equals(bodies(@others), 'A', "$balancer: no worker sends another there");
equals(bodies(everywhere($path)), 'A', "$balancer: nor does the balancer");
answer($held, 'done');
equals(body(response($first)), 'done', "$balancer: it is answered");
my (%workers, $elsewhere);
for (1 .. 200) {
    my $asked = ask($path, $mine, 1983);
    my $taken = taken($server) or last;
    answer($taken, 'again');
    my $response = response($asked);
    $elsewhere++ if body($response) ne 'again';
    $workers{head('X-Worker', $response)}++;
    last if keys %workers == 3;
}
equals(scalar(keys %workers), 3, "$balancer: from then on every worker sends the session there");
equals($elsewhere, undef, "$balancer: and each visit is answered there");



=== down: no worker sends a session there
--- upstream
BALANCER
server A:;
server B: down;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{B}");
equals(bodies(@bound), 'A', "$balancer: the session moves");
equals(cookies(@bound), $id{A}, "$balancer: and is bound anew");
equals(tried(@bound), '127.0.0.1:1985', "$balancer: the server is not tried");



=== a backup keeps its sessions in every worker, and takes those of the dead primary
--- upstream
BALANCER
server A:;
server D: max_fails=1 fail_timeout=60s;
server C: backup;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{C}");
equals(bodies(@bound), 'C', "$balancer: a client of the backup stays there");
equals(cookies(@bound), '', "$balancer: without a new cookie");
equals(bodies(everywhere($path)), 'A', "$balancer: first visitors go to the primary that lives");
my @moved = everywhere($path, "route=$id{D}");
equals(bodies(@moved), 'A', "$balancer: a client of the dead primary goes to the other primary");



=== all primaries dead: every worker binds to the backup
--- upstream
BALANCER
server D: max_fails=1 fail_timeout=60s;
server B: down;
server C: backup;
session_sticky;
--- client
my @first = everywhere($path, "route=$id{D}");
equals(bodies(@first), 'C', "$balancer: the backup answers");
equals(cookies(@first), $id{C}, "$balancer: and is named");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @first), 1, "$balancer: one in all workers has tried the primary");
my @bound = everywhere($path, "route=$id{C}");
equals(tried(@bound), '127.0.0.1:1987', "$balancer: then every worker goes straight to the backup");
equals(cookies(@bound), '', "$balancer: where the session stays");



=== a failing backup is known to all workers
--- upstream
server A:;
server D: max_fails=2 fail_timeout=60s backup;
session_sticky;
--- client
my @bound = everywhere('/u0/', "route=$id{D}");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @bound), 2, 'two bound requests in all find it dead');
equals(cookies(@bound), $id{A}, 'their clients move to the primary');



=== a single server: its failures are counted, but nobody looks at them
--- upstream
server D: max_fails=1 fail_timeout=60s;
session_sticky;
--- client
my @bound = everywhere('/u0/', "route=$id{D}");
equals(tried(@bound), '127.0.0.1:1999', 'every visit dials it');
equals(cookies(@bound), '', 'and sets no cookie');



=== a reload: sessions stick, and what was learned before is forgotten with the old servers
--- upstream
BALANCER
server A:;
server B:;
server D: max_fails=1 fail_timeout=60s;
session_sticky;
--- client
everywhere($path, "route=$id{D}");
holds(reload(), "$balancer: nginx is reloaded");
for my $name (qw(A B)) {
    my @bound = everywhere($path, "route=$id{$name}");
    equals(bodies(@bound), $name, "$balancer: the client of $name stays");
    equals(cookies(@bound), '', "$balancer: with its cookie");
}
my @tries = grep { head('X-Tried', $_) =~ /:1999/ } everywhere($path, "route=$id{D}");
equals(scalar(@tries), 1, "$balancer: the dead server is tried once more, by one worker for all");
