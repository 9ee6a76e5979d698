# Servers that other modules change at run time without a generation counter. The module in tests/probe imitates them:
# nginx-upstream-dynamic-servers initializes an upstream again in a new pool, and destroys an older one;
# nginx-upsync-module links servers in and out, and frees them.
#
# Sections of this file:
#   upstreams  as in lib/Upstreams.pm
#   client     see lib/Client.pm

use Sticky qw(Upstreams Visits);

my $servers = servers('location / { return 200 "NAME"; }', qw(A B C));

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    # Without keepalive: nginx would store the connection in the pool that is destroyed.
    my $each = 'proxy_http_version 1.0; proxy_set_header Connection close;';
    $block->set_value(http_config => $servers . entrance(addressed($block->upstreams), '', $each));
    $block->set_value(config => 'location = /change { change_servers; }');
});

# Changes the servers of the upstream of a path; without further arguments, initializes it again.
sub change {
    my ($path, $what) = @_;
    my ($upstream) = $path =~ m{^/(\w+)/$};
    equals(body(response(ask("/change?upstream=$upstream" . ($what // '')))), "done\n", "$path changes" . ($what // ''));
}

# Tests that the sessions of these servers stay, and that a new session is bound to the server that responds.
sub sticks {
    my ($path, $id, @names) = @_;
    for my $name (@names) {
        my $bound = visit($path, "route=$id->{$name}", 1983);
        equals(body($bound), $name, "$path: the session of $name stays");
        equals(set($bound), '', "$path: and keeps its cookie");
    }
    my $first = visit($path, undef, 1983);
    equals(bound($first), $id->{body($first)}, "$path: a new session is bound");
}

run_tests();

__DATA__

=== initialized again: sessions stay, and new sessions are bound
--- upstreams
upstream round_robin { server A:; server B:; session_sticky; }
upstream inside      { session_sticky; keepalive 2; server A:; server B:; }
upstream outside     { keepalive 2; server A:; server B:; session_sticky; }
upstream least_conn  { least_conn; server A:; server B:; session_sticky; }
upstream ip_hash     { ip_hash; session_sticky; server A:; server B:; keepalive 2; }
upstream hash        { server A:; server B:; hash $arg_key; session_sticky; }
upstream backup      { server A:; server B: backup; session_sticky; }
--- client
for my $path (qw(/round_robin/ /inside/ /outside/ /least_conn/ /ip_hash/ /hash/ /backup/)) {
    change($path);
    for (1 .. 3) {
        sticks($path, \%id, qw(A B));
        change($path);
    }
    sticks($path, \%id, qw(A B));
}



=== initialized again with other servers: the IDs are those of the current servers
--- upstreams
upstream u { sticky hash=index; server A:; server B:; server C: backup; }
--- client
sub orders { return join ' ', map { body(visit('/u/', "route=$_", 1983)) } 0 .. 2 }
equals(orders(), 'A B C', 'in order');
change('/u/', '&reverse=1');
equals(orders(), 'B A C', 'in reverse order');
change('/u/', '&reverse=1');
equals(orders(), 'A B C', 'in order again');
change('/u/');
equals(orders(), 'A B C', 'without a change');



=== initialized again while a request waits: it keeps the servers with which it started
--- upstreams
upstream u { server A:; server F:; session_sticky; }
--- client
my $f = serve($port{F});
my $asked = ask('/u/', 'route=ID_F', 1983);
my $taken = taken($f);
change('/u/');
close $taken;
my $response = response($asked);
equals(body($response), 'A', 'the other server responds');
equals(head('X-Tried', $response), "$line{F}, $line{A}", 'and none is tried twice');

$asked = ask('/u/', 'route=ID_F', 1983);
$taken = taken($f);
visit('/u/', undef, 1983);
answer($taken, 'F', '');
equals(body(response($asked)), 'F', 'the next request finds its server in the current list');
equals(body(visit('/u/', 'route=ID_A', 1983)), 'A', 'and so do other requests');



=== linked in and out
--- upstreams
upstream round_robin { server A:; server B:; session_sticky; }
upstream least_conn  { server A:; server B:; session_sticky; least_conn; }
upstream ip_hash     { ip_hash; server A:; server B:; session_sticky; }
upstream backup      { server A:; server B: backup; session_sticky; }
--- client
for my $path (qw(/round_robin/ /least_conn/ /ip_hash/ /backup/)) {
    sticks($path, \%id, qw(A B));
    change($path, "&in=$line{C}");
    sticks($path, \%id, qw(A B C));

    change($path, "&out=$line{C}");
    my $moved = visit($path, 'route=ID_C', 1983);
    holds(body($moved) =~ /^[AB]$/, "$path: the session of C moves");
    equals(bound($moved), $id{body($moved)}, "$path: and is bound to its new server");
    sticks($path, \%id, qw(A B));

    change($path, "&in=$line{C}");
    sticks($path, \%id, qw(A B C));
    change($path, "&in=$line{D}");
    change($path, "&out=$line{C}");
    holds(body(visit($path, 'route=ID_C', 1983)) =~ /^[AB]$/, "$path: another server in its place does not get its session");
    change($path, "&out=$line{D}");
}



=== linked out while a request waits: the server is not tried again
--- upstreams
upstream u { server A:; session_sticky; }
--- client
my $d = serve($port{D});
change('/u/', "&in=$line{D}") for 1, 2;
my $asked = ask('/u/', 'route=ID_D', 1983);
my $taken = taken($d);
change('/u/', "&out=$line{D}");
close $taken;
my $response = response($asked);
equals(body($response), 'A', 'another server responds');
equals(head('X-Tried', $response), "$line{D}, $line{A}", 'and the freed server is not tried');

$asked = ask('/u/', 'route=ID_D', 1983);
$taken = taken($d);
answer($taken, 'D', '');
equals(body(response($asked)), 'D', 'the remaining entry has the session');
change('/u/', "&out=$line{D}");
