# Backup servers of sessions without a cookie. With session_sticky they stay on their backup server as long as that is
# available; with "sticky route" and "sticky learn", as with nginx's own directive, only while no primary server is available.
#
# lib/Upstreams.pm has the servers and the sections. A, B and C are primary or backup servers, depending on the block.
# Sections of this file:
#   variants  an upstream with mode=route and these servers for each load-balancing method, with and without a zone; their
#             paths are in @variants

use Sticky qw(Upstreams Visits);

# The servers of visits in every worker.
sub served { my ($path, $route) = @_; return bodies(map { visit("$path?route=$route&n=$_", undef, 1983) } 1 .. 12) }

client_sections();
upstream_sections('');
add_block_preprocessor(sub {
    my ($block) = @_;
    my $servers = $block->variants // return;
    my $sticky = 'session_sticky mode=route lookup=$arg_route;';
    my $upstreams = variants("VARIANTS $servers", "$sticky BALANCER REST", "zone ZONE 128k; BALANCER $sticky REST");
    $block->set_value(upstreams => $upstreams);
    $block->set_value(client => paths_of_variants($upstreams) . $block->client);
});

master_on();
run_tests();

__DATA__

=== session_sticky: a session stays on its backup server, with every method that supports backup servers, with or without a zone
--- workers: 2
--- variants
server A: route=a; server B: route=b backup; server C: route=c backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'A', "$path: a new session goes to the primary server");
    equals(served($path, 'b'), 'B', "$path: a session of the first backup server stays");
    equals(served($path, 'c'), 'C', "$path: a session of the second one stays");
}



=== "sticky route": the backup server of the route is used only while no primary server is available
--- workers: 2
--- upstreams
upstream alive      { server A: route=a; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream alive_zone { zone alive 128k; server A: route=a; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream dead       { server E: route=e; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream dead_zone  { zone dead 128k; server E: route=e; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream down       { server E: route=e down; server B: route=b backup; server C: route=c backup; least_conn; sticky route $arg_route; }
--- client
for my $path (qw(/alive/ /alive_zone/)) {
    equals(served($path, 'b'), 'A', "$path: the primary server, while it is available");
    equals(served($path, 'c'), 'A', "$path: the same for the second");
}
for my $path (qw(/dead/ /dead_zone/ /down/)) {
    equals(served($path, 'b'), 'B', "$path: the first backup server");
    equals(served($path, 'c'), 'C', "$path: the second backup server");
    equals(served($path, 'e'), 'B | C', "$path: a session of the primary server gets either");
}
--- no_error_log
[crit]
[alert]



=== "sticky route": the backup server of the route fails as well, another one is available
--- workers: 2
--- upstreams
upstream u    { server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup max_fails=0; sticky route $arg_route; }
upstream zone { zone other_backup 128k; server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup max_fails=0; sticky route $arg_route; }
--- client
for my $path (qw(/u/ /zone/)) {
    my @visits = map { visit("$path?route=f&n=$_", undef, 1983) } 1 .. 12;
    equals(bodies(@visits), 'C', "$path: the other one responds");
    equals(tried(@visits), '127.0.0.1:1998, 127.0.0.1:1997, 127.0.0.1:1987', "$path: each is tried once");
}
--- no_error_log
[crit]
[alert]



=== session_sticky: the backup server of the session fails, another one and a primary server are available
--- workers: 2
--- upstreams
upstream primary { server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream zone    { zone primary 128k; server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream backup  { server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream strict  { server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route fallback=off; }
--- client
equals(served($_, 'f'), 'A', "$_: the primary server takes over") for qw(/primary/ /zone/);
equals(served('/backup/', 'f'), 'C', 'no primary server: the other backup server takes over');
equals(served('/strict/', 'f'), '502', 'fallback=off: no other server');
equals(served('/strict/', 'c'), 'C', 'fallback=off: an available backup server keeps its sessions');
--- no_error_log
[crit]
[alert]



=== sticky_no_fallback: a session of a backup server gets that server or none, even with "sticky route"
--- before: 1.29.5
--- upstreams
upstream u { server A: route=a; server C: route=c backup; server F: route=f backup max_fails=0; sticky route $arg_route; }
--- locations
location /strict/ { sticky_no_fallback; proxy_pass http://u; }
--- client
equals(served('/strict/', 'c'), 'C', 'its backup server responds');
equals(served('/strict/', 'f'), '502', 'no other server takes over');
equals(served('/strict/', 'a'), 'A', 'its primary server responds');
equals(served('/u/', 'c'), 'A', 'in another location, the primary server responds');
--- no_error_log
[crit]
[alert]



=== a route of a primary and a backup server, whose primary server fails
--- upstreams
upstream ours { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; session_sticky mode=route lookup=$arg_route; }
upstream off  { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; session_sticky mode=route lookup=$arg_route fallback=off; }
upstream own  { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; sticky route $arg_route; }
--- client
equals(served('/ours/', 'x'), 'C', 'session_sticky: the backup server of the route is next');
equals(served('/off/', 'x'), 'C', 'fallback=off: the same');
equals(served('/own/', 'x'), 'A', '"sticky route": a primary server is left');
--- no_error_log
[crit]
[alert]



=== learned sessions: with session_sticky they stay on a backup server, with "sticky learn" they return to an available primary server
--- workers: 2
--- upstreams
upstream ours { server E: id=e max_fails=0; server B: id=b backup; server C: id=c backup; session_sticky mode=learn create=$arg_new lookup=$arg_route zone=ours_1:64k; }
upstream own  { server E: route=e max_fails=0; server B: route=b backup; server C: route=c backup; sticky learn create=$arg_new lookup=$arg_route zone=own_1:64k; }
--- client
my %first;
for my $path (qw(/ours/ /own/)) {
    $first{$path}{$_} = bodies(visit("$path?new=$_", undef, 1983)) for 1 .. 4;
    equals(join(' ', sort keys %{{reverse %{$first{$path}}}}), 'B C', "$path: sessions start on both backup servers");
    equals(served($path, $_), $first{$path}{$_}, "$path: session $_ stays") for 1 .. 4;
}
my $back = serve($port{E});
equals(served('/ours/', $_), $first{'/ours/'}{$_}, "the primary server is available again, session $_ stays") for 1 .. 4;
for (1 .. 4) {
    my $asked = ask("/own/?route=$_", undef, 1983);
    answer(taken($back), 'primary');
    equals(body(answer_of($asked)), 'primary', "session $_ leaves its backup server, as with nginx's own directive");
}
close $back;
--- no_error_log
[crit]
[alert]
