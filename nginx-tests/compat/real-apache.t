# Migration from a real Apache, and back: it is a balancer in front of the same servers, and sets the cookies. apache.t tests
# more cookies, which it computes itself.

use Sticky qw(Apache Movers Upstreams);

our @names = qw(A B C);
our %route = (A => 1, B => 2, C => 3);
our %members = map { $_ => "BalancerMember http://$line{$_} route=$route{$_}" } @names;
our $sets = 'Header add Set-Cookie "route=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED';

mover_sections('', SERVERS => 'server A: id=1; server B: id=2; server C: id=3;', DOTS => 'server A: id=.1; server B: id=.2; server C: id=.3;');

# The cookies of each server, from first visits.
sub cookies_of {
    my ($path, $port) = @_;
    my %cookie;
    for (1 .. 12) {
        my $response = visit($path, undef, $port);
        $cookie{body($response)} = bound($response);
    }
    return \%cookie;
}

run_tests();

__DATA__

=== ROUTEID: no client moves
--- upstreams
upstream u { session_sticky accept=jvmroute; SERVERS }
--- client
my $apache = Apache->start(8090, values %members, 'ProxySet stickysession=route', $sets);
my $cookies = cookies_of('/u/', 8090);
equals(join(' ', map { "$_=" . ($cookies->{$_} // '') } @names), 'A=.1 B=.2 C=.3', 'the values of the manual');
nobody_moves('/u/', $cookies, {%id{@names}});



=== ROUTEID: both systems at the same time
--- upstreams
upstream u { session_sticky hash=plain; DOTS }
--- client
my $apache = Apache->start(8090, values %members, 'ProxySet stickysession=route', $sets);
my ($theirs, $ours) = (cookies_of('/u/', 8090), cookies_of('/u/', 1983));
for my $name (@names) {
    equals(join(' ', map { body(visit('/u/', "route=$theirs->{$name}", 1983)) } 1 .. 3), "$name $name $name", "this module, with Apache's cookie for $name");
    equals(join(' ', map { body(visit('/u/', "route=$ours->{$name}", 8090)) } 1 .. 3), "$name $name $name", "Apache, with this module's cookie for $name");
}



=== jvmRoute: both systems select the same server
--- upstreams
map $request_uri $jsessionid { "~[;?&]route=([^;?&]+)" $1; }
upstream u { session_sticky mode=route lookup=$jsessionid lookup=$cookie_route accept=jvmroute; SERVERS }
--- client
my $apache = Apache->start(8090, values %members, 'ProxySet stickysession=route scolonpathdelim=On');
for my $name (@names) {
    my $id = "6F1B09.$route{$name}";
    for my $asked (["/u/", "a=b; route=$id"], ["/u/x;route=$id;y=1", undef], ["/u/x;route=$id", "route=6F1B09.1"], ["/u/?z=1&route=$id", undef]) {
        my ($path, $cookie) = @$asked;
        my $all = join ' ', map { my $port = $_; map { body(visit($path, $cookie, $port)) } 1, 2 } 8090, 1983;
        equals($all, "$name $name $name $name", "$path " . ($cookie // ''));
    }
}
