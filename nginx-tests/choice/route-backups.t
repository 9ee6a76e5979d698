# Backup servers of sessions without a cookie. With session_sticky they stay on their backup for as long as that is available;
# with "sticky route" and "sticky learn", as with nginx's own, they get it only while no primary server is.
#
# lib/Upstreams.pm has the servers and the sections. A, B and C are primary or backup, as a block says.
# Sections of this file's own:
#   variants  an upstream with mode=route and these servers for each balancer, with a zone and without; their paths are
#             @variants

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

=== session_sticky: a session follows its backup, with every balancer that knows backups, with a zone and without
--- workers: 2
--- variants
server A: route=a; server B: route=b backup; server C: route=c backup;
--- client
for my $path (@variants) {
    equals(bodies(everywhere($path)), 'A', "$path: a first visit goes to the primary");
    equals(served($path, 'b'), 'B', "$path: a session of the first backup is there");
    equals(served($path, 'c'), 'C', "$path: one of the second is there");
}



=== "sticky route": a backup is for when no primary is left, then it is the one that the route names
--- workers: 2
--- upstreams
upstream alive      { server A: route=a; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream alive_zone { zone alive 128k; server A: route=a; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream dead       { server E: route=e; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream dead_zone  { zone dead 128k; server E: route=e; server B: route=b backup; server C: route=c backup; sticky route $arg_route; }
upstream down       { server E: route=e down; server B: route=b backup; server C: route=c backup; least_conn; sticky route $arg_route; }
--- client
for my $path (qw(/alive/ /alive_zone/)) {
    equals(served($path, 'b'), 'A', "$path: the primary, while it is alive");
    equals(served($path, 'c'), 'A', "$path: the same for the second");
}
for my $path (qw(/dead/ /dead_zone/ /down/)) {
    equals(served($path, 'b'), 'B', "$path: the first backup");
    equals(served($path, 'c'), 'C', "$path: the second backup");
    equals(served($path, 'e'), 'B | C', "$path: a session of the primary gets any");
}
--- no_error_log
[crit]
[alert]



=== "sticky route": the backup that the route names is dead as well, another one is alive
--- workers: 2
--- upstreams
upstream u    { server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup max_fails=0; sticky route $arg_route; }
upstream zone { zone other_backup 128k; server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup max_fails=0; sticky route $arg_route; }
--- client
for my $path (qw(/u/ /zone/)) {
    my @visits = map { visit("$path?route=f&n=$_", undef, 1983) } 1 .. 12;
    equals(bodies(@visits), 'C', "$path: the other answers");
    equals(tried(@visits), '127.0.0.1:1998, 127.0.0.1:1997, 127.0.0.1:1987', "$path: each is asked once");
}
--- no_error_log
[crit]
[alert]



=== session_sticky: the backup of the session is dead, another one is alive, and so is a primary
--- workers: 2
--- upstreams
upstream primary { server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream zone    { zone primary 128k; server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream backup  { server E: route=e max_fails=0; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route; }
upstream strict  { server A: route=a; server F: route=f backup max_fails=0; server C: route=c backup; session_sticky mode=route lookup=$arg_route fallback=off; }
--- client
equals(served($_, 'f'), 'A', "$_: the primary serves it") for qw(/primary/ /zone/);
equals(served('/backup/', 'f'), 'C', 'no primary: the other backup serves it');
equals(served('/strict/', 'f'), '502', 'fallback=off: none');
equals(served('/strict/', 'c'), 'C', 'fallback=off: a backup that is alive serves its sessions');
--- no_error_log
[crit]
[alert]



=== sticky_no_fallback: a session of a backup gets that or none, also with "sticky route"
--- before: 1.29.5
--- upstreams
upstream u { server A: route=a; server C: route=c backup; server F: route=f backup max_fails=0; sticky route $arg_route; }
--- locations
location /strict/ { sticky_no_fallback; proxy_pass http://u; }
--- client
equals(served('/strict/', 'c'), 'C', 'its backup serves it');
equals(served('/strict/', 'f'), '502', 'no other server serves it');
equals(served('/strict/', 'a'), 'A', 'its primary serves it');
equals(served('/u/', 'c'), 'A', 'elsewhere the primary does');
--- no_error_log
[crit]
[alert]



=== a route that a primary and a backup share: the primary first, in each sense of it
--- upstreams
upstream ours { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; session_sticky mode=route lookup=$arg_route; }
upstream off  { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; session_sticky mode=route lookup=$arg_route fallback=off; }
upstream own  { server E: route=x max_fails=0; server A: route=a; server C: route=x backup; sticky route $arg_route; }
--- client
equals(served('/ours/', 'x'), 'C', 'session_sticky: the backup has the route as well');
equals(served('/off/', 'x'), 'C', 'fallback=off: the same');
equals(served('/own/', 'x'), 'A', '"sticky route": a primary is left');
--- no_error_log
[crit]
[alert]



=== learned sessions: session_sticky stays on a backup, "sticky learn" leaves it for a primary that is back
--- workers: 2
--- upstreams
upstream ours { server E: id=e max_fails=0; server B: id=b backup; server C: id=c backup; session_sticky mode=learn create=$arg_new lookup=$arg_route zone=ours_1:64k; }
upstream own  { server E: route=e max_fails=0; server B: route=b backup; server C: route=c backup; sticky learn create=$arg_new lookup=$arg_route zone=own_1:64k; }
--- client
my %first;
for my $path (qw(/ours/ /own/)) {
    $first{$path}{$_} = bodies(visit("$path?new=$_", undef, 1983)) for 1 .. 4;
    equals(join(' ', sort keys %{{reverse %{$first{$path}}}}), 'B C', "$path: sessions begin on both backups");
    equals(served($path, $_), $first{$path}{$_}, "$path: session $_ stays") for 1 .. 4;
}
my $back = serve($port{E});
equals(served('/ours/', $_), $first{'/ours/'}{$_}, "a primary is back, session $_ stays") for 1 .. 4;
for (1 .. 4) {
    my $asked = ask("/own/?route=$_", undef, 1983);
    answer(taken($back), 'primary');
    equals(body(answer_of($asked)), 'primary', "as with nginx session $_ leaves its backup");
}
close $back;
--- no_error_log
[crit]
[alert]
