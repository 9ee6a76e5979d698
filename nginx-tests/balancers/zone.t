# A zone: the state of a server that one worker sets applies to the sessions of all workers.
#
# nginx has three workers, and port 1983 spreads connections over them (lib/Upstreams.pm). A, B and C respond with their name,
# D is down.
# Sections of this file:
#   upstream  the contents of "upstream u"
#   client    see lib/Client.pm
# A block whose text has BALANCER is repeated for each load-balancing method of this nginx.

use Sticky qw(Nginx Upstreams Visits);

my @all = (@balancers, $version >= 31 ? ('least_time header;', 'least_time last_byte inflight;') : ());
my $zones = 0;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    my $upstream = addressed($block->upstream);
    my @here = $upstream =~ /BALANCER/ ? @all : ('');
    # The hash methods and random do not support backup servers.
    @here = grep { !/hash|random/ } @here if $upstream =~ /backup/;
    my $http = '';
    for my $at (0 .. $#here) {
        $zones++;
        my $text = $upstream =~ s/BALANCER/$here[$at]/r;
        $http .= "upstream u$at { zone zone_$zones 64k; $text }\n";
    }
    $block->set_value(http_config => servers(qq[location / { return 200 "NAME\\n"; }\n], qw(A B C)) . entrance($http));
    $block->set_value(workers => 3);
    # For each method: its name, and the path of its upstream.
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

=== a session sticks in every worker, and all workers use the same IDs
--- upstream
BALANCER
server A:;
server B:;
server C:;
session_sticky;
--- client
for my $name (qw(A B C)) {
    my @visits = everywhere($path, "route=$id{$name}");
    equals(bodies(@visits), $name, "$balancer: every worker passes the session of $name to it");
    equals(cookies(@visits), '', "$balancer: and sets no cookie for it");
}
my @first = everywhere($path);
my $wrong = grep { bound($_) ne $id{substr body($_), 0, 1} } @first;
equals($wrong, 0, "$balancer: every worker sets the ID of the server that responded");



=== max_fails: failures of bound requests are added up over all workers, and apply to all requests
--- upstream
BALANCER
server A:;
server D: max_fails=3 fail_timeout=60s;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{D}");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @bound), 3, "$balancer: three bound requests in total try it and fail");
equals(bodies(@bound), 'A', "$balancer: the other server responds to each");
equals(cookies(@bound), $id{A}, "$balancer: and the session is bound to it");
equals(tried(everywhere($path)), '127.0.0.1:1985', "$balancer: no new session tries it in any worker");



=== max_fails, fallback=off: each worker fails three times before it stops trying the server; every request gets 502
--- upstream
BALANCER
server A:;
server D: max_fails=3 fail_timeout=60s;
session_sticky fallback=off;
--- client
my @bound = everywhere($path, "route=$id{D}");
equals(bodies(@bound), '502', "$balancer: no session moves");
my (%visits, %dialled);
for my $response (@bound) {
    my $worker = head('X-Worker', $response);
    $visits{$worker}++;
    $dialled{$worker} += head('X-Tried', $response) =~ /:1999/;
}
my @learnt = map { $visits{$_} < 3 ? $visits{$_} : 3 } sort keys %visits;
equals(join(' ', map { $dialled{$_} } sort keys %visits), "@learnt", "$balancer: three requests of each worker try it");



=== fail_timeout: once a request succeeds, all workers use the server again
--- upstream
server A:;
server D: max_fails=1 fail_timeout=2s;
session_sticky;
--- client
my $path = '/u0/';
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } everywhere($path, "route=$id{D}")), 1, 'one request tries it and fails');
my $server = serve(1999);
my $back = soon(sub {
    my $asked = ask($path, "route=$id{D}", 1983);
    my $taken = taken($server, 0.3) or return response($asked) && 0;
    answer($taken, 'back');
    return body(response($asked)) eq 'back';
});
holds($back, 'after fail_timeout, a request succeeds');
my %workers;
for (1 .. 200) {
    my $asked = ask($path, "route=$id{D}", 1983);
    my $taken = taken($server) or last;
    answer($taken, 'back');
    $workers{head('X-Worker', response($asked))}++;
    last if keys %workers == 3;
}
equals(scalar(keys %workers), 3, 'every worker passes its sessions to it again');



=== max_conns: a bound request in one worker occupies the server for all workers until its response
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
equals(bodies(@others), 'A', "$balancer: no worker passes another one to it");
equals(bodies(everywhere($path)), 'A', "$balancer: nor are new sessions passed to it");
answer($held, 'done');
equals(body(response($first)), 'done', "$balancer: its response arrives");
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
equals(scalar(keys %workers), 3, "$balancer: from then on every worker passes the session to it");
equals($elsewhere, undef, "$balancer: and it responds to each visit");



=== down: no worker passes a session to the server
--- upstream
BALANCER
server A:;
server B: down;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{B}");
equals(bodies(@bound), 'A', "$balancer: the session moves");
equals(cookies(@bound), $id{A}, "$balancer: and is bound to the other server");
equals(tried(@bound), '127.0.0.1:1985', "$balancer: the server is not tried");



=== a backup server keeps its sessions in every worker; those of the failed primary server move to the other one
--- upstream
BALANCER
server A:;
server D: max_fails=1 fail_timeout=60s;
server C: backup;
session_sticky;
--- client
my @bound = everywhere($path, "route=$id{C}");
equals(bodies(@bound), 'C', "$balancer: a session of the backup server stays");
equals(cookies(@bound), '', "$balancer: without a new cookie");
equals(bodies(everywhere($path)), 'A', "$balancer: new sessions go to the available primary server");
my @moved = everywhere($path, "route=$id{D}");
equals(bodies(@moved), 'A', "$balancer: a session of the failed primary server moves to the other one");



=== all primary servers fail: every worker binds sessions to the backup server
--- upstream
BALANCER
server D: max_fails=1 fail_timeout=60s;
server B: down;
server C: backup;
session_sticky;
--- client
my @first = everywhere($path, "route=$id{D}");
equals(bodies(@first), 'C', "$balancer: the backup server responds");
equals(cookies(@first), $id{C}, "$balancer: and its ID is set");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @first), 1, "$balancer: one request in total tries the primary server");
my @bound = everywhere($path, "route=$id{C}");
equals(tried(@bound), '127.0.0.1:1987', "$balancer: then every worker uses the backup server immediately");
equals(cookies(@bound), '', "$balancer: and sets no cookie for its session");



=== a failed backup server is not tried by any worker
--- upstream
server A:;
server D: max_fails=2 fail_timeout=60s backup;
session_sticky;
--- client
my @bound = everywhere('/u0/', "route=$id{D}");
equals(scalar(grep { head('X-Tried', $_) =~ /:1999/ } @bound), 2, 'two bound requests in total try it and fail');
equals(cookies(@bound), $id{A}, 'their sessions move to the primary server');



=== a single server: its failures are counted, but have no effect
--- upstream
server D: max_fails=1 fail_timeout=60s;
session_sticky;
--- client
my @bound = everywhere('/u0/', "route=$id{D}");
equals(tried(@bound), '127.0.0.1:1999', 'every visit tries it');
equals(cookies(@bound), '', 'and sets no cookie');



=== a reload: sessions stick, and failures counted before it no longer apply
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
    equals(bodies(@bound), $name, "$balancer: the session of $name stays");
    equals(cookies(@bound), '', "$balancer: and keeps its cookie");
}
my @tries = grep { head('X-Tried', $_) =~ /:1999/ } everywhere($path, "route=$id{D}");
equals(scalar(@tries), 1, "$balancer: the failed server is tried once more, by one worker");
